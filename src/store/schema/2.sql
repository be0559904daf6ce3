-- When the user signed in: some providers end a grant so long after that, whatever is done. NULL for
-- accounts from before this was written down.
ALTER TABLE account ADD COLUMN signed_in_wall_ms INTEGER;
