-- The end of an account, and of a sign-in, looks for what is under way of it and of its client.
CREATE INDEX attempt_account ON attempt (account);
CREATE INDEX attempt_client ON attempt (provider, client) WHERE provider IS NOT NULL;

-- From now on a client goes with the last that uses it; what was left behind before goes here.
DELETE FROM client
WHERE NOT EXISTS (SELECT 1 FROM account WHERE account.client = client.id)
  AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.provider = client.provider
                                          AND attempt.client = client.client);
