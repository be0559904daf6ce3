-- Since when a refresh token is kept although nothing uses it by itself: the provider called it dead,
-- or another login took its place. NULL: it is in use, or spent by a refresh.
ALTER TABLE refresh_token ADD COLUMN quarantined_wall_ms INTEGER;
