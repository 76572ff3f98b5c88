-- While a backup copies blobs, none is collected before this; null: as ever.
ALTER TABLE coordinator ADD COLUMN collect_after timestamptz;
