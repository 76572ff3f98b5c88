-- Plans, commits, tags, uploads, blobs.

-- Plans, by digest of their canonical text.
CREATE TABLE plans (
  repository uuid NOT NULL REFERENCES repositories(id),
  digest text NOT NULL,                    -- "sha256:…"
  toml text NOT NULL,
  creator uuid REFERENCES members(id),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (repository, digest)
);

-- Frozen mean and sd per feature.
CREATE TABLE standardisations (
  repository uuid NOT NULL REFERENCES repositories(id),
  digest text NOT NULL,
  mean double precision[] NOT NULL,
  sd double precision[] NOT NULL,
  examples bigint NOT NULL,
  contributors int NOT NULL,
  signature bytea NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (repository, digest)
);

ALTER TABLE repositories
  ADD COLUMN plan_digest text,
  ADD COLUMN standardisation_digest text,
  ADD COLUMN head text;                    -- digest of the newest commit

-- Sealed blobs that something refers to, so that the collector can tell.
CREATE TABLE blobs (
  repository uuid NOT NULL REFERENCES repositories(id),
  digest text NOT NULL,                    -- "sha256:…" of the plaintext
  size_bytes bigint NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (repository, digest)
);

-- Bytes on their way; sealed ones wait to be named by a commit or contribution.
CREATE TABLE uploads (
  id uuid PRIMARY KEY,
  repository uuid NOT NULL REFERENCES repositories(id),
  member uuid NOT NULL REFERENCES members(id),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  digest text NOT NULL,
  complete boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX uploads_expiry ON uploads (expires_at);
CREATE INDEX uploads_member ON uploads (member);
CREATE INDEX uploads_repository ON uploads (repository);

CREATE TABLE commits (
  repository uuid NOT NULL REFERENCES repositories(id),
  digest text NOT NULL,                    -- "sha256:…" of the statement
  version bigint NOT NULL CHECK (version >= 1),
  parent text,
  program_digest text NOT NULL,
  program_bytes bigint NOT NULL,
  weights_digest text NOT NULL,
  weights_bytes bigint NOT NULL,
  parameter_count bigint NOT NULL,
  plan_digest text NOT NULL,
  standardisation_digest text,
  message text NOT NULL DEFAULT '',
  round bigint,                            -- number within the repository
  contribution_count int NOT NULL DEFAULT 0,
  examples bigint NOT NULL DEFAULT 0,
  creator uuid REFERENCES members(id),
  created_at timestamptz NOT NULL,
  PRIMARY KEY (repository, digest),
  UNIQUE (repository, version),
  FOREIGN KEY (repository, program_digest) REFERENCES blobs(repository, digest),
  FOREIGN KEY (repository, weights_digest) REFERENCES blobs(repository, digest)
);

CREATE TABLE tags (
  repository uuid NOT NULL REFERENCES repositories(id),
  name text NOT NULL,
  commit text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (repository, name),
  FOREIGN KEY (repository, commit) REFERENCES commits(repository, digest)
);

-- Measurements of a commit on members' hold-outs; shown as sums over >= 3.
CREATE TABLE evaluations (
  repository uuid NOT NULL REFERENCES repositories(id),
  commit text NOT NULL,
  member uuid NOT NULL REFERENCES members(id),
  examples bigint NOT NULL,
  loss_sum double precision NOT NULL,
  confusion bigint[] NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (repository, commit, member),
  FOREIGN KEY (repository, commit) REFERENCES commits(repository, digest)
);
