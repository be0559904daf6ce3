-- The end of an account, and of a sign-in, looks for what is under way of it and of its client.
CREATE INDEX attempt_account ON attempt (account);
CREATE INDEX attempt_client ON attempt (provider, client) WHERE provider IS NOT NULL;
