-- Series, rounds, contributions, statistics runs.

-- One `round start --count N`.
CREATE TABLE series (
  id uuid PRIMARY KEY,
  repository uuid NOT NULL REFERENCES repositories(id),
  count int NOT NULL CHECK (count BETWEEN 1 AND 10000),
  creator uuid NOT NULL REFERENCES members(id),
  created_at timestamptz NOT NULL,
  ended_at timestamptz
);

CREATE TABLE rounds (
  repository uuid NOT NULL REFERENCES repositories(id),
  number bigint NOT NULL CHECK (number >= 1),
  series uuid NOT NULL REFERENCES series(id),
  series_index int NOT NULL,
  state int NOT NULL CHECK (state BETWEEN 1 AND 6),   -- federity.v1.Round.State
  base_commit text NOT NULL,
  commit text,
  plan_digest text NOT NULL,
  standardisation_digest text,
  seed numeric(20) NOT NULL,
  -- The figures of the plan that the machine works with, so that no step parses it.
  min_contributions int NOT NULL CHECK (min_contributions >= 1),
  target_contributions int,
  training_seconds bigint NOT NULL CHECK (training_seconds > 0),
  max_examples bigint NOT NULL CHECK (max_examples > 0),
  failure text NOT NULL DEFAULT '',
  failure_reason text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL,
  recruit_deadline timestamptz NOT NULL,
  trained_at timestamptz,                  -- training began
  deadline timestamptz,
  ended_at timestamptz,
  due_at timestamptz,                      -- when the machine must look again; null: ended
  lease_owner uuid,                        -- the replica that works on it …
  lease_until timestamptz,                 -- … until then
  lease_token bigint NOT NULL DEFAULT 0,   -- fencing: grows with each lease
  PRIMARY KEY (repository, number),
  FOREIGN KEY (repository, base_commit) REFERENCES commits(repository, digest),
  FOREIGN KEY (repository, commit) REFERENCES commits(repository, digest)
);
-- One running round a repository.
CREATE UNIQUE INDEX rounds_running ON rounds (repository) WHERE state IN (1, 2, 3);
CREATE INDEX rounds_due ON rounds (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE contributions (
  id uuid PRIMARY KEY,
  repository uuid NOT NULL,
  round bigint NOT NULL,
  member uuid NOT NULL REFERENCES members(id),
  state int NOT NULL CHECK (state BETWEEN 1 AND 6),   -- federity.v1.Contribution.State
  phase int NOT NULL DEFAULT 0,            -- federity.v1.ContributionPhase
  fraction double precision NOT NULL DEFAULT 0,
  refusal text NOT NULL DEFAULT '',
  refusal_reason text NOT NULL DEFAULT '',
  delta_digest text,
  delta_bytes bigint NOT NULL DEFAULT 0,
  examples bigint NOT NULL DEFAULT 0,
  norm double precision,
  train_seconds double precision NOT NULL DEFAULT 0,
  device text NOT NULL DEFAULT '',
  base_examples bigint NOT NULL DEFAULT 0,
  base_loss_sum double precision NOT NULL DEFAULT 0,
  base_confusion bigint[] NOT NULL DEFAULT '{}',
  signature bytea,
  created_at timestamptz NOT NULL,
  progress_at timestamptz NOT NULL,        -- last sign of progress
  submitted_at timestamptz,
  updated_at timestamptz NOT NULL,
  lease_until timestamptz,                 -- verification is leased and fenced too
  lease_token bigint NOT NULL DEFAULT 0,
  UNIQUE (repository, round, member),
  FOREIGN KEY (repository, round) REFERENCES rounds(repository, number)
);
CREATE INDEX contributions_member ON contributions (member, created_at);
CREATE INDEX contributions_verifying ON contributions (updated_at) WHERE state = 3;

CREATE TABLE statistics_runs (
  repository uuid NOT NULL REFERENCES repositories(id),
  number bigint NOT NULL CHECK (number >= 1),
  state int NOT NULL CHECK (state BETWEEN 1 AND 3),   -- federity.v1.StatisticsRun.State
  plan_digest text NOT NULL,
  standardisation_digest text,
  failure text NOT NULL DEFAULT '',
  creator uuid NOT NULL REFERENCES members(id),
  created_at timestamptz NOT NULL,
  deadline timestamptz NOT NULL,
  PRIMARY KEY (repository, number)
);
-- One collecting run a repository; the machine finds it by its deadline.
CREATE UNIQUE INDEX statistics_runs_collecting ON statistics_runs (repository) WHERE state = 1;
CREATE INDEX statistics_runs_due ON statistics_runs (deadline) WHERE state = 1;

-- Who was asked, and what it said.
CREATE TABLE statistics_answers (
  repository uuid NOT NULL,
  run bigint NOT NULL,
  member uuid NOT NULL REFERENCES members(id),
  answered_at timestamptz,                 -- null: asked only
  abstained text NOT NULL DEFAULT '',
  sums jsonb,                              -- deleted when the run ends
  PRIMARY KEY (repository, run, member),
  FOREIGN KEY (repository, run) REFERENCES statistics_runs(repository, number)
);
