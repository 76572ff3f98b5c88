-- Each backup that copies blobs holds the collector for itself, so that of two at
-- once the first to end leaves the other's hold. Nothing is collected while there
-- is one.
CREATE TABLE collection_holds (
  id uuid PRIMARY KEY,              -- of one backup
  held_until timestamptz NOT NULL   -- a backup that was killed holds no longer
);
ALTER TABLE coordinator DROP COLUMN collect_after;
