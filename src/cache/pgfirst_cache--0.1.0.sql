\echo Use "CREATE EXTENSION pgfirst_cache" to load this file. \quit

-- USAGE on this schema is what a role needs. PostgreSQL gives it to nobody by default.

-- CREATE EXTENSION takes a schema that is there as it is; somebody else's could hold traps.
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = '@extschema@'::pg_catalog.regnamespace)
		OR EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = '@extschema@'::pg_catalog.regnamespace)
		OR EXISTS (SELECT FROM pg_catalog.pg_type WHERE typnamespace = '@extschema@'::pg_catalog.regnamespace)
		OR NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
			WHERE n.nspname = '@extschema@' AND r.rolname = current_user)
	THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "@extschema@" exists already and is not empty, or is somebody else''s',
			HINT = 'Rename or drop it, then create the extension again.';
	END IF;
END
$$;

-- ---- one entry --------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.get(key text) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_cache_get';
CREATE FUNCTION @extschema@.get_json(key text) RETURNS jsonb
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_cache_get_json';
CREATE FUNCTION @extschema@.get_bytes(key text) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_cache_get_bytes';
COMMENT ON FUNCTION @extschema@.get(text) IS
'The value of an entry as text; NULL if there is none, or it has expired. The newest committed one, or this transaction''s own.';
COMMENT ON FUNCTION @extschema@.get_json(text) IS
'As get, as jsonb; an error if the value is not JSON.';
COMMENT ON FUNCTION @extschema@.get_bytes(text) IS
'As get, as bytea, whatever the value is.';

CREATE FUNCTION @extschema@.set(key text, value text, ttl interval DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set';
CREATE FUNCTION @extschema@.set(key text, value jsonb, ttl interval DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set_json';
CREATE FUNCTION @extschema@.set(key text, value bytea, ttl interval DEFAULT NULL) RETURNS void
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set_bytes';
COMMENT ON FUNCTION @extschema@.set(text, text, interval) IS
'Sets an entry at commit, for ttl or for ever. Redis clients read text as UTF-8, jsonb as its text, bytea as it is.';
COMMENT ON FUNCTION @extschema@.set(text, jsonb, interval) IS
'Sets an entry at commit, for ttl or for ever. Redis clients read text as UTF-8, jsonb as its text, bytea as it is.';
COMMENT ON FUNCTION @extschema@.set(text, bytea, interval) IS
'Sets an entry at commit, for ttl or for ever. Redis clients read text as UTF-8, jsonb as its text, bytea as it is.';

CREATE FUNCTION @extschema@.add(key text, value text, ttl interval DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_add';
CREATE FUNCTION @extschema@.add(key text, value jsonb, ttl interval DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_add_json';
CREATE FUNCTION @extschema@.add(key text, value bytea, ttl interval DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_add_bytes';
COMMENT ON FUNCTION @extschema@.add(text, text, interval) IS
'As set, but only if there is no such entry. Returns whether it was set.';
COMMENT ON FUNCTION @extschema@.add(text, jsonb, interval) IS
'As set, but only if there is no such entry. Returns whether it was set.';
COMMENT ON FUNCTION @extschema@.add(text, bytea, interval) IS
'As set, but only if there is no such entry. Returns whether it was set.';

CREATE FUNCTION @extschema@.touch(key text, ttl interval) RETURNS boolean
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_touch';
COMMENT ON FUNCTION @extschema@.touch(text, interval) IS
'Lets an entry expire after ttl from now, or never if ttl is NULL. Returns whether it was there.';

CREATE FUNCTION @extschema@.delete(key text) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_delete';
COMMENT ON FUNCTION @extschema@.delete(text) IS
'Deletes an entry at commit. Returns whether it was there.';

-- ---- many -------------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.get_many(keys text[], OUT key text, OUT value text) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'pgfirst_cache_get_many';
CREATE FUNCTION @extschema@.get_many_bytes(keys text[], OUT key text, OUT value bytea) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 10 AS 'MODULE_PATHNAME', 'pgfirst_cache_get_many_bytes';
COMMENT ON FUNCTION @extschema@.get_many(text[]) IS
'Those of the entries that are there, in the order of keys, all as of one moment.';
COMMENT ON FUNCTION @extschema@.get_many_bytes(text[]) IS
'As get_many, with values as bytea.';

CREATE FUNCTION @extschema@.set_many(keys text[], contents text[], ttl interval DEFAULT NULL) RETURNS integer
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set_many';
CREATE FUNCTION @extschema@.set_many(keys text[], contents jsonb[], ttl interval DEFAULT NULL) RETURNS integer
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set_many_json';
CREATE FUNCTION @extschema@.set_many(keys text[], contents bytea[], ttl interval DEFAULT NULL) RETURNS integer
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set_many_bytes';
COMMENT ON FUNCTION @extschema@.set_many(text[], text[], interval) IS
'Sets entries at commit, each key to the value at its place, for ttl or for ever. Returns how many.';
COMMENT ON FUNCTION @extschema@.set_many(text[], jsonb[], interval) IS
'Sets entries at commit, each key to the value at its place, for ttl or for ever. Returns how many.';
COMMENT ON FUNCTION @extschema@.set_many(text[], bytea[], interval) IS
'Sets entries at commit, each key to the value at its place, for ttl or for ever. Returns how many.';
CREATE FUNCTION @extschema@.set_many(entries jsonb, ttl interval DEFAULT NULL) RETURNS integer
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_set_many_object';
COMMENT ON FUNCTION @extschema@.set_many(jsonb, interval) IS
'Sets an entry for each member of a JSON object at commit, for ttl or for ever. Returns how many.';

CREATE FUNCTION @extschema@.delete_many(keys text[]) RETURNS integer
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_delete_many';
COMMENT ON FUNCTION @extschema@.delete_many(text[]) IS
'Deletes entries at commit. Returns how many were there.';

-- ---- all of it --------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.clear() RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_cache_clear';
COMMENT ON FUNCTION @extschema@.clear() IS
'Deletes every entry at commit, by one record; what others are changing meanwhile counts as changed before.';

CREATE FUNCTION @extschema@.cleanup() RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE COST 1000000 AS 'MODULE_PATHNAME', 'pgfirst_cache_cleanup';
COMMENT ON FUNCTION @extschema@.cleanup() IS
'Deletes what has expired now instead of by and by, not in this transaction but in small ones of its own. Returns how many entries.';

CREATE FUNCTION @extschema@.stats(OUT db integer, OUT durability text, OUT entries bigint,
	OUT expiring bigint, OUT bytes bigint, OUT hits bigint, OUT misses bigint, OUT since timestamptz) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED COST 1000 AS 'MODULE_PATHNAME', 'pgfirst_cache_stats';
COMMENT ON FUNCTION @extschema@.stats() IS
'The numbered database, its durability, its entries (expired ones until the sweep has taken them) and those that expire, bytes of its file; and how often reads since that moment found an entry, or none.';

CREATE FUNCTION @extschema@.live_entries(OUT key text, OUT key_bytes bytea, OUT type text, OUT bytes bigint,
	OUT expires_at timestamptz) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100000 AS 'MODULE_PATHNAME', 'pgfirst_cache_entries';
COMMENT ON FUNCTION @extschema@.live_entries() IS
'Behind the view entries.';
CREATE VIEW @extschema@.entries AS SELECT * FROM @extschema@.live_entries();
COMMENT ON VIEW @extschema@.entries IS
'Every entry that has not expired: key (NULL where it is not valid UTF-8) and its bytes, type, bytes of the value, expiry (NULL: never).';
GRANT SELECT ON @extschema@.entries TO PUBLIC;
