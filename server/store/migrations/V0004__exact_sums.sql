-- Sums are exact integers of up to 32 bytes now: a SubmitStatisticsRequest with
-- nothing but features. Decimal ones of a run that is open belong to another scale.
ALTER TABLE statistics_answers ALTER COLUMN sums TYPE bytea USING NULL;
