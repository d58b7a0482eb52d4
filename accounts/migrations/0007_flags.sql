-- What is on for whom. There are so few that they are always read together.
CREATE TABLE flags (
    key text NOT NULL PRIMARY KEY,
    description text NOT NULL,
    -- False turns it off for everybody.
    enabled boolean NOT NULL,
    -- So many of 10,000 buckets have it.
    rollout_basis_points bigint NOT NULL,
    -- Ids of users who have it in any case, separated by spaces.
    allow text NOT NULL,
    -- Keys of flags that have to be on, separated by spaces.
    prerequisites text NOT NULL,
    -- The `flag_set.version` that its last change made; what `ETag` shows and `If-Match` names.
    version bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT flags_key_check CHECK (length(key) BETWEEN 1 AND 64),
    CONSTRAINT flags_description_check CHECK (length(description) <= 500),
    CONSTRAINT flags_rollout_check CHECK (rollout_basis_points BETWEEN 0 AND 10000)
);

-- Counts the changes of all flags, in one row that the first change makes. A change names the
-- version that it was decided on, so that no two are decided on the same.
CREATE TABLE flag_set (
    id bigint NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    CONSTRAINT flag_set_id_check CHECK (id = 1)
);

-- Who changed what. Outlives the flag and whoever changed it: nothing here refers to them.
CREATE TABLE flag_changes (
    -- The `flag_set.version` that the change made.
    version bigint NOT NULL PRIMARY KEY,
    flag_key text NOT NULL,
    kind text NOT NULL,
    actor_id uuid NOT NULL,
    changed_at timestamptz NOT NULL,
    -- What was changed, before and after.
    fields_before jsonb NOT NULL,
    fields_after jsonb NOT NULL,
    CONSTRAINT flag_changes_kind_check CHECK (kind IN ('created', 'updated', 'deleted'))
);

-- One flag's changes in the order of the list.
CREATE INDEX flag_changes_flag_key_version_idx ON flag_changes (flag_key, version);
