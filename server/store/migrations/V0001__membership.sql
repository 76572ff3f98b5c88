-- Organisations, members, invitations, certificates, idempotency, audit.

-- The coordinator itself: exactly one row.
CREATE TABLE coordinator (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  ca_certificate text NOT NULL,            -- PEM
  ca_key_wrapped bytea NOT NULL,           -- wrapped by the key file
  signing_key_wrapped bytea NOT NULL,      -- Ed25519 seed, wrapped by the key file
  signing_public_key bytea NOT NULL,
  created_at timestamptz NOT NULL
);

-- An organisation is a name on every invitation, unique per coordinator.
CREATE TABLE organizations (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
  has_namespace boolean NOT NULL DEFAULT false,  -- may own repositories
  created_at timestamptz NOT NULL
);

-- Repositories stand here because members refer to them; V0002 has their content.
CREATE TABLE repositories (
  id uuid PRIMARY KEY,
  organization text NOT NULL REFERENCES organizations(id),
  name text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  description text NOT NULL DEFAULT '',
  blob_key_wrapped bytea,                  -- null once deleted: the key is destroyed
  created_at timestamptz NOT NULL,
  deleted_at timestamptz
);
CREATE UNIQUE INDEX repositories_live ON repositories (organization, name) WHERE deleted_at IS NULL;

-- One key holder of one organisation in one scope. scope_organization null: the
-- server; scope_repository null: the organisation's namespace.
CREATE TABLE members (
  id uuid PRIMARY KEY,
  scope_organization text REFERENCES organizations(id),
  scope_repository uuid REFERENCES repositories(id),
  organization text NOT NULL REFERENCES organizations(id),
  role int NOT NULL CHECK (role BETWEEN 1 AND 6),   -- federity.v1.Role
  kind int NOT NULL CHECK (kind BETWEEN 1 AND 2),   -- federity.v1.MemberKind
  contribution_key bytea NOT NULL UNIQUE CHECK (length(contribution_key) = 32),
  invitation uuid,
  created_at timestamptz NOT NULL,
  removed_at timestamptz,
  last_seen_at timestamptz,
  version text NOT NULL DEFAULT '',
  CHECK (scope_repository IS NULL OR scope_organization IS NOT NULL)
);
CREATE INDEX members_scope ON members (scope_organization, scope_repository, created_at, id);

CREATE TABLE invitations (
  id uuid PRIMARY KEY,
  scope_organization text REFERENCES organizations(id),
  scope_repository uuid REFERENCES repositories(id),
  organization text NOT NULL REFERENCES organizations(id),
  role int NOT NULL CHECK (role BETWEEN 1 AND 6),
  kind int NOT NULL CHECK (kind BETWEEN 1 AND 2),
  secret_digest bytea NOT NULL UNIQUE,     -- SHA-256; the secret itself is never stored
  max_uses int NOT NULL CHECK (max_uses BETWEEN 1 AND 1000),
  uses int NOT NULL DEFAULT 0 CHECK (uses <= max_uses),
  replaces uuid REFERENCES members(id),
  creator uuid REFERENCES members(id),     -- null: the server
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz
);
CREATE INDEX invitations_scope ON invitations (scope_organization, scope_repository, created_at, id);

-- What an agent last said of itself; rows are overwritten.
CREATE TABLE agents (
  member uuid PRIMARY KEY REFERENCES members(id),
  session uuid,                            -- the open stream; a newer one ends it
  online_until timestamptz,                -- refreshed by the stream's server
  approved_plan_digest text NOT NULL DEFAULT '',
  approved_program_digest text NOT NULL DEFAULT '',
  datasets jsonb NOT NULL DEFAULT '[]',    -- [{"label","kind","rows"}]
  not_ready text NOT NULL DEFAULT ''
);

-- Spent ones; a nonce that nobody used yet is kept nowhere.
CREATE TABLE renewal_nonces (
  nonce bytea PRIMARY KEY,
  member uuid NOT NULL REFERENCES members(id),
  expires_at timestamptz NOT NULL
);

-- Results of mutating calls, kept 24 hours: a repeated request_id gets the same answer.
CREATE TABLE requests (
  member uuid NOT NULL REFERENCES members(id),
  request_id text NOT NULL,
  method text NOT NULL,
  request_digest bytea NOT NULL,
  response bytea NOT NULL,                 -- sealed: an invitation's holds its link
  created_at timestamptz NOT NULL,
  PRIMARY KEY (member, request_id)
);
CREATE INDEX requests_age ON requests (created_at);

-- Every mutation and every read of model details.
CREATE TABLE audit_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,                     -- member resource name, or 'coordinator'
  scope_organization text,
  scope_repository uuid,
  action text NOT NULL,
  resource text NOT NULL,
  outcome text NOT NULL,
  details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_events_repository ON audit_events (scope_repository, id);
