-- Each grant and each attempt looks for its key.
CREATE INDEX proof_key_account ON proof_key (account);
CREATE INDEX proof_key_flight ON proof_key (flight);
CREATE INDEX proof_key_request ON proof_key (request);
