-- An organisation's trail: its namespace and all its repositories, newest first.
CREATE INDEX audit_events_organization ON audit_events (scope_organization, id);
