-- When the measurements of a commit are looked at, so that an idle coordinator
-- reads an index and not every repository; null: nothing to look at.
ALTER TABLE commits ADD COLUMN measuring_due_at timestamptz;
CREATE INDEX commits_measuring_due ON commits (measuring_due_at)
  WHERE measuring_due_at IS NOT NULL;
UPDATE commits c SET measuring_due_at = now() WHERE measured_at IS NULL AND EXISTS
  (SELECT 1 FROM evaluations e WHERE e.repository = c.repository AND e.commit = c.digest);
