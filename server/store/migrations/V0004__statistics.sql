-- Sums are exact integers of up to 32 bytes now: a SubmitStatisticsRequest with
-- nothing but features. Decimal ones of a run that is open belong to another scale.
ALTER TABLE statistics_answers ALTER COLUMN sums TYPE bytea USING NULL;

-- A run waits for agents first, as a round does; then it waits for their sums.
ALTER TABLE statistics_runs
  ADD COLUMN recruiting boolean NOT NULL DEFAULT false,
  ADD COLUMN due_at timestamptz NOT NULL DEFAULT now(),  -- when to look again, while state = 1
  ADD COLUMN failure_members text NOT NULL DEFAULT '';   -- who was not ready; for maintainers
DROP INDEX statistics_runs_due;
CREATE INDEX statistics_runs_due ON statistics_runs (due_at) WHERE state = 1;
