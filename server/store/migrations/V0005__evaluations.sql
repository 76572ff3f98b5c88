-- Sums of measurements are shown once and do not change after that: two of them
-- that differ by one organisation would tell its own.
ALTER TABLE commits ADD COLUMN measured_at timestamptz;  -- null: not shown yet
UPDATE commits c SET measured_at = now() WHERE 3 <=
  (SELECT count(DISTINCT m.organization) FROM evaluations e JOIN members m ON m.id = e.member
   WHERE e.repository = c.repository AND e.commit = c.digest AND e.examples > 0);

-- Sums are sealed by the key file now; those of an open run are asked for again.
UPDATE statistics_answers SET sums = NULL, answered_at = NULL WHERE sums IS NOT NULL;
