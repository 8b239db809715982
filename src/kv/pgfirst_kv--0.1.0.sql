\echo Use "CREATE EXTENSION pgfirst_kv" to load this file. \quit

-- Size: one file for one version, which CREATE EXTENSION reads as a whole; most of it are the functions that are named as
-- commands, each in the forms of its arguments and with its comment.

-- The outer gate of both doors is USAGE on this schema, which PostgreSQL gives to nobody by default. Behind it
-- stands what kv.grant and kv.revoke write; see access.c.

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

-- ---- what the library reads -----------------------------------------------------------------

-- The key of the hash that places records. Whoever knows it can craft collisions, so nobody but
-- the owner reads it. It stays in this cluster: dumps carry rows, which have no places, and what is
-- restored is placed by the secret that is there.
CREATE TABLE @extschema@.identity (
	secret bytea NOT NULL CHECK (octet_length(secret) = 16)
);
COMMENT ON TABLE @extschema@.identity IS 'The secret that keys the hash of this cluster''s records.';
INSERT INTO @extschema@.identity
SELECT pg_catalog.substr(pg_catalog.sha256(pg_catalog.convert_to(
	pg_catalog.gen_random_uuid()::pg_catalog.text || pg_catalog.gen_random_uuid()::pg_catalog.text,
	'UTF8')), 1, 16);
REVOKE ALL ON @extschema@.identity FROM PUBLIC;

CREATE TABLE @extschema@.database (
	number integer PRIMARY KEY CHECK (number BETWEEN 0 AND 15),
	store regclass NOT NULL UNIQUE,
	durability text NOT NULL CHECK (durability IN ('durable', 'relaxed', 'volatile')),
	max_size bigint CHECK (max_size > 0),
	eviction text NOT NULL DEFAULT 'noeviction' CHECK (eviction IN ('noeviction', 'allkeys-lru', 'allkeys-lfu',
		'allkeys-random', 'volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'))
);
COMMENT ON TABLE @extschema@.database IS 'The numbered databases of the Redis door, where their records are, and what was configured.';
REVOKE ALL ON @extschema@.database FROM PUBLIC;

CREATE TABLE @extschema@.dropped (
	number integer PRIMARY KEY CHECK (number BETWEEN 0 AND 15)
);
COMMENT ON TABLE @extschema@.dropped IS 'The numbers that drop_database has dropped: the Redis door makes those of the first four databases that are missing, but not these.';
REVOKE ALL ON @extschema@.dropped FROM PUBLIC;

CREATE TABLE @extschema@.access (
	grantee regrole NOT NULL,
	number integer NOT NULL CHECK (number BETWEEN -1 AND 15),
	level text NOT NULL CHECK (level IN ('read', 'write', 'admin')),
	PRIMARY KEY (grantee, number)
);
COMMENT ON TABLE @extschema@.access IS 'What a role (0: PUBLIC) may do in a database (-1: in all), by grant and revoke; each level includes those before it.';
REVOKE ALL ON @extschema@.access FROM PUBLIC;

CREATE TABLE @extschema@.tenancy (
	role regrole PRIMARY KEY,
	tenant integer NOT NULL CHECK (tenant > 0)
);
COMMENT ON TABLE @extschema@.tenancy IS 'The tenant of a role, by set_tenant; of every other role it is 0.';
REVOKE ALL ON @extschema@.tenancy FROM PUBLIC;

-- Every process keeps what these tables say; whoever writes them, a restore included, must tell.
CREATE FUNCTION @extschema@.catalog_changed() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'pgfirst_kv_catalog_changed';
COMMENT ON FUNCTION @extschema@.catalog_changed() IS 'Makes every process read the table again.';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.identity
	FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.catalog_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.database
	FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.catalog_changed();

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.access
	FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.catalog_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.tenancy
	FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.catalog_changed();

COMMENT ON TRIGGER changed ON @extschema@.access IS 'Makes every process read the table again.';
COMMENT ON TRIGGER changed ON @extschema@.tenancy IS 'Makes every process read the table again.';
COMMENT ON TRIGGER changed ON @extschema@.identity IS 'Makes every process read the table again.';
COMMENT ON TRIGGER changed ON @extschema@.database IS 'Makes every process read the table again.';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.database', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.dropped', '');
-- A dropped role is a number in a dump, which may be somebody else where that is restored.
SELECT pg_catalog.pg_extension_config_dump('@extschema@.access',
	'WHERE grantee = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = grantee)');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.tenancy',
	'WHERE EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = role)');

-- ---- databases ------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.create_store(schema text, name text, logged boolean) RETURNS regclass
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'pgfirst_kv_create_store';
COMMENT ON FUNCTION @extschema@.create_store(text, text, boolean) IS 'Makes an empty store; used by create_database.';
-- Makes a table wherever the caller may: nothing that users of keys need.
REVOKE ALL ON FUNCTION @extschema@.create_store(text, text, boolean) FROM PUBLIC;

-- The store is a table of the extension's owner and no member of the extension, so that dumps
-- and upgrades treat it as the data that it is.
CREATE FUNCTION @extschema@.create_database(number integer, durability text DEFAULT 'durable') RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	name text := 'database_' || number;
BEGIN
	IF number IS NULL OR number NOT BETWEEN 0 AND 15 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a database''s number is between 0 and 15';
	END IF;
	IF durability IS NULL OR durability NOT IN ('durable', 'relaxed', 'volatile') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'durability is durable, relaxed or volatile';
	END IF;
	IF EXISTS (SELECT FROM @extschema@.database d WHERE d.number = create_database.number) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_object',
			MESSAGE = format('database %s exists already', number);
	END IF;
	-- A database that was exchanged with another one has kept the name of its table.
	WHILE to_regclass(format('%I.%I', '@extschema@', name)) IS NOT NULL LOOP
		name := name || '_';
	END LOOP;
	INSERT INTO @extschema@.database VALUES (number,
		@extschema@.create_store('@extschema@', name, durability <> 'volatile'), durability);
	DELETE FROM @extschema@.dropped d WHERE d.number = create_database.number;
	-- USAGE on the schema lets an application read and write, until this row is revoked.
	INSERT INTO @extschema@.access (grantee, number, level) VALUES (0, create_database.number, 'write')
		ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION @extschema@.create_database(integer, text) IS
'Makes database number 0 to 15: durable (logged, replies wait for the flush), relaxed (logged, replies do not wait) or volatile (not logged, empty after a crash).';
-- Makes tables: for administrators.
REVOKE ALL ON FUNCTION @extschema@.create_database(integer, text) FROM PUBLIC;

-- The parameters that are null leave what they name as it is. The store is written anew where it is to be
-- logged from now on, or no longer.
CREATE FUNCTION @extschema@.configure(db integer, durability text DEFAULT NULL, max_size text DEFAULT NULL,
	eviction text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	current record;
	bytes bigint;
BEGIN
	IF db IS NULL OR db NOT BETWEEN 0 AND 15 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a database''s number is between 0 and 15';
	END IF;
	SELECT d.store, c.relpersistence = 'p' AS logged INTO current
	FROM @extschema@.database d JOIN pg_class c ON c.oid = d.store WHERE d.number = db;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('database %s does not exist', db),
			HINT = format('SELECT %I.create_database(%s) makes it.', '@extschema@', db);
	END IF;
	IF durability NOT IN ('durable', 'relaxed', 'volatile') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'durability is durable, relaxed or volatile';
	END IF;
	IF eviction NOT IN ('noeviction', 'allkeys-lru', 'allkeys-lfu', 'allkeys-random', 'volatile-lru',
		'volatile-lfu', 'volatile-random', 'volatile-ttl') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('there is no eviction "%s"', eviction),
			HINT = 'noeviction, allkeys-lru, allkeys-lfu, allkeys-random, volatile-lru, volatile-lfu, volatile-random or volatile-ttl.';
	END IF;
	bytes := pg_size_bytes(max_size);
	IF bytes < 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'max_size is a number of bytes, or 0 for no limit';
	END IF;
	BEGIN
		IF current.logged AND durability = 'volatile' THEN
			EXECUTE format('ALTER TABLE %s SET UNLOGGED', current.store);
		ELSIF NOT current.logged AND durability <> 'volatile' THEN
			EXECUTE format('ALTER TABLE %s SET LOGGED', current.store);
		END IF;
	EXCEPTION WHEN object_in_use THEN
		RAISE EXCEPTION USING ERRCODE = 'object_in_use',
			MESSAGE = format('database %s has been used by this transaction and cannot be written anew in it', db),
			HINT = 'Configure it in a transaction of its own, or before its keys are used.';
	END;
	UPDATE @extschema@.database d SET
		durability = coalesce(configure.durability, d.durability),
		max_size = CASE WHEN bytes IS NULL THEN d.max_size ELSE nullif(bytes, 0) END,
		eviction = coalesce(configure.eviction, d.eviction)
	WHERE d.number = db;
END
$$;
COMMENT ON FUNCTION @extschema@.configure(integer, text, text, text) IS
'Changes a database: its durability (durable, relaxed, volatile), its max_size (bytes, or as ''256MB''; 0 for no limit), and what is evicted when it would be exceeded. NULL leaves as it is. To and from volatile all of it is written anew, with everybody locked out.';
-- Decides what is lost and what is thrown away: for administrators.
REVOKE ALL ON FUNCTION @extschema@.configure(integer, text, text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.configure(db integer, max_size bigint, durability text DEFAULT NULL,
	eviction text DEFAULT NULL) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	AS $$SELECT @extschema@.configure(db, durability, max_size::pg_catalog.text, eviction)$$;
COMMENT ON FUNCTION @extschema@.configure(integer, bigint, text, text) IS 'The same with max_size as a number.';
-- As the one above.
REVOKE ALL ON FUNCTION @extschema@.configure(integer, bigint, text, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.drop_database(number integer) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	store regclass;
BEGIN
	DELETE FROM @extschema@.database d WHERE d.number = drop_database.number RETURNING d.store INTO store;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('database %s does not exist', coalesce(number::text, 'null'));
	END IF;
	DELETE FROM @extschema@.access a WHERE a.number = drop_database.number;
	INSERT INTO @extschema@.dropped VALUES (drop_database.number) ON CONFLICT DO NOTHING;
	-- Its owner may have dropped the table itself; this is what mends it then.
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = store) THEN
		EXECUTE format('DROP TABLE %s', store);
	END IF;
EXCEPTION WHEN object_in_use THEN
	RAISE EXCEPTION USING ERRCODE = 'object_in_use',
		MESSAGE = format('database %s has been used by this transaction and cannot be dropped in it', number),
		HINT = 'Drop it in a transaction of its own, or before its keys are used.';
END
$$;
COMMENT ON FUNCTION @extschema@.drop_database(integer) IS
'Drops a database with all its keys. Clients that have selected it are told that it is not there.';
-- Destroys everybody's keys: for administrators.
REVOKE ALL ON FUNCTION @extschema@.drop_database(integer) FROM PUBLIC;

CREATE FUNCTION @extschema@.swap_databases(a integer, b integer) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_swap_databases';
COMMENT ON FUNCTION @extschema@.swap_databases(integer, integer) IS
'Exchanges two databases, with all that is configured for them, at commit, as SWAPDB does. Waits until nobody uses either.';
-- Moves everybody's keys: for administrators.
REVOKE ALL ON FUNCTION @extschema@.swap_databases(integer, integer) FROM PUBLIC;

-- ---- access ---------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.access_role(name text) RETURNS oid
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	found oid := CASE WHEN name = 'public' THEN 0 ELSE (SELECT oid FROM pg_roles WHERE rolname = name) END;
BEGIN
	IF found IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = CASE WHEN name IS NULL THEN 'null_value_not_allowed' ELSE 'undefined_object' END,
			MESSAGE = CASE WHEN name IS NULL THEN 'role must not be null' ELSE format('role "%s" does not exist', name) END;
	END IF;
	RETURN found;
END
$$;
COMMENT ON FUNCTION @extschema@.access_role(text) IS 'The oid of a role, 0 of "public"; used by grant, revoke and set_tenant.';
REVOKE ALL ON FUNCTION @extschema@.access_role(text) FROM PUBLIC;

-- What both of the following do first. Returns which of the levels it is.
CREATE FUNCTION @extschema@.access_check(db integer, level text) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	rank integer := array_position(ARRAY['read', 'write', 'admin'], level);
BEGIN
	IF rank IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'level is read, write or admin';
	END IF;
	IF db NOT BETWEEN 0 AND 15 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a database''s number is between 0 and 15',
			HINT = 'NULL means all databases.';
	END IF;
	-- Somebody may have dropped a role, whose number another one may get.
	DELETE FROM @extschema@.access a WHERE a.grantee <> 0
		AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee);
	RETURN rank;
END
$$;
COMMENT ON FUNCTION @extschema@.access_check(integer, text) IS 'Checks what grant and revoke are told.';
REVOKE ALL ON FUNCTION @extschema@.access_check(integer, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.grant(role text, db integer, level text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	levels CONSTANT text[] := ARRAY['read', 'write', 'admin'];
	rank integer := @extschema@.access_check(db, level);
BEGIN
	INSERT INTO @extschema@.access AS a (grantee, number, level)
		VALUES (@extschema@.access_role(role), coalesce(db, -1), levels[rank])
		ON CONFLICT ON CONSTRAINT access_pkey DO UPDATE SET level = excluded.level
		WHERE array_position(levels, a.level) < rank;
END
$$;
COMMENT ON FUNCTION @extschema@.grant(text, integer, text) IS
'Lets a role, or public, read, write or administer a database (NULL: all, also those made later). Each level includes those before it.';
-- Gives rights on everybody's keys: for administrators.
REVOKE ALL ON FUNCTION @extschema@.grant(text, integer, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.revoke(role text, db integer, level text DEFAULT 'read') RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	levels CONSTANT text[] := ARRAY['read', 'write', 'admin'];
	rank integer := @extschema@.access_check(db, level);
	whose oid := @extschema@.access_role(role);
	remains text;
BEGIN
	DELETE FROM @extschema@.access a WHERE a.grantee = whose AND (a.number = db OR db IS NULL) AND rank = 1;
	UPDATE @extschema@.access a SET level = levels[rank - 1]
		WHERE a.grantee = whose AND (a.number = db OR db IS NULL) AND array_position(levels, a.level) >= rank;
	SELECT a.level INTO remains FROM @extschema@.access a
		WHERE a.grantee = whose AND a.number = -1 AND array_position(levels, a.level) >= rank;
	IF remains IS NOT NULL THEN
		RAISE WARNING USING MESSAGE = format('%s still has %s in all databases', role, remains),
			HINT = format('SELECT @extschema@.revoke(%L, NULL, %L) takes that away.', role, levels[rank]);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.revoke(text, integer, text) IS
'Takes a level, and those that include it, away from a role or from public in a database (NULL: in all); read leaves nothing.';
-- As grant.
REVOKE ALL ON FUNCTION @extschema@.revoke(text, integer, text) FROM PUBLIC;

CREATE FUNCTION @extschema@.may(db integer, level text DEFAULT 'read') RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_may';
COMMENT ON FUNCTION @extschema@.may(integer, text) IS
'Whether the current user may read, write or administer a database, by whichever grant.';

CREATE VIEW @extschema@.grants WITH (security_barrier) AS
	SELECT CASE grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(grantee)::pg_catalog.text END AS role,
		CASE WHEN number >= 0 THEN number END AS db, level
	FROM @extschema@.access
	WHERE grantee = 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = grantee
		AND pg_catalog.pg_has_role(r.oid, 'USAGE'));
COMMENT ON VIEW @extschema@.grants IS
'What grant has given to the current user, through whichever role: role, database (NULL: all), level. A superuser sees all.';
GRANT SELECT ON @extschema@.grants TO PUBLIC;

CREATE FUNCTION @extschema@.set_tenant(role text, tenant integer) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	whose oid := @extschema@.access_role(role);
BEGIN
	IF whose = 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a tenant is a role''s, not everybody''s';
	END IF;
	IF tenant IS NULL OR tenant < 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a tenant is a number from 0';
	END IF;
	DELETE FROM @extschema@.tenancy t WHERE t.role = whose
		OR NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = t.role);
	IF tenant > 0 THEN
		INSERT INTO @extschema@.tenancy VALUES (whose, tenant);
	END IF;
END
$$;
COMMENT ON FUNCTION @extschema@.set_tenant(text, integer) IS
'Says whose keys a role reaches through either door; 0, the default tenant''s, is what every role begins with.';
-- Whoever chooses a tenant reaches its keys: for administrators.
REVOKE ALL ON FUNCTION @extschema@.set_tenant(text, integer) FROM PUBLIC;

CREATE FUNCTION @extschema@.tenant() RETURNS integer
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_tenant';
COMMENT ON FUNCTION @extschema@.tenant() IS
'The tenant whose keys the current user reaches: pgfirst.tenant where an administrator has set it, else what set_tenant says, else 0.';

CREATE FUNCTION @extschema@.database_counts(db integer, OUT keys bigint, OUT expiring_keys bigint, OUT bytes bigint,
	OUT evicted_keys bigint)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_database_counts';
COMMENT ON FUNCTION @extschema@.database_counts(integer) IS 'Behind the view databases.';
CREATE VIEW @extschema@.databases AS
SELECT d.number AS db, d.durability, d.max_size, d.eviction, c.keys, c.expiring_keys, c.bytes,
	pg_catalog.pg_relation_size(d.store) AS file_bytes, c.evicted_keys
FROM @extschema@.database d, LATERAL @extschema@.database_counts(d.number) c
WHERE @extschema@.may(d.number);
COMMENT ON VIEW @extschema@.databases IS
'Every database that the current user may read: what was configured, the default tenant''s keys (NULL for other tenants), the bytes that all tenants'' keys take, which max_size limits (NULL until they have been counted after a start, and on a standby), the bytes of its file, and how many keys have been evicted since the server started.';
GRANT SELECT ON @extschema@.databases TO PUBLIC;

-- ---- keys -----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.get(key text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_get';
CREATE FUNCTION @extschema@.get(key bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_get';
CREATE FUNCTION @extschema@.get_text(key text, db integer DEFAULT 0) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_get_text';
CREATE FUNCTION @extschema@.get_text(key bytea, db integer DEFAULT 0) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_get_text';
COMMENT ON FUNCTION @extschema@.get(text, integer) IS
'The newest committed value of a string key, or this transaction''s own; NULL if there is no such key.';
COMMENT ON FUNCTION @extschema@.get(bytea, integer) IS
'The newest committed value of a string key, or this transaction''s own; NULL if there is no such key.';
COMMENT ON FUNCTION @extschema@.get_text(text, integer) IS
'As get, as text; an error if the value is not valid UTF-8.';
COMMENT ON FUNCTION @extschema@.get_text(bytea, integer) IS
'As get, as text; an error if the value is not valid UTF-8.';

CREATE FUNCTION @extschema@.set(key text, value text, ttl interval DEFAULT NULL, db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, keep_ttl boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_set';
CREATE FUNCTION @extschema@.set(key text, value bytea, ttl interval DEFAULT NULL, db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, keep_ttl boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_set';
CREATE FUNCTION @extschema@.set(key bytea, value bytea, ttl interval DEFAULT NULL, db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, keep_ttl boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_set';
COMMENT ON FUNCTION @extschema@.set(text, text, interval, integer, boolean, boolean, boolean) IS
'Sets a string key at commit, for ttl or for ever; nx only if absent, xx only if present. Returns whether it was set.';
COMMENT ON FUNCTION @extschema@.set(text, bytea, interval, integer, boolean, boolean, boolean) IS
'Sets a string key at commit, for ttl or for ever; nx only if absent, xx only if present. Returns whether it was set.';
COMMENT ON FUNCTION @extschema@.set(bytea, bytea, interval, integer, boolean, boolean, boolean) IS
'Sets a string key at commit, for ttl or for ever; nx only if absent, xx only if present. Returns whether it was set.';

CREATE FUNCTION @extschema@.del(key text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_del';
CREATE FUNCTION @extschema@.del(key bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_del';
COMMENT ON FUNCTION @extschema@.del(text, integer) IS 'Deletes a key at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.del(bytea, integer) IS 'Deletes a key at commit. Returns whether it was there.';

CREATE FUNCTION @extschema@.live_keys(OUT db integer, OUT key text, OUT key_bytes bytea, OUT type text,
	OUT expires_at timestamptz, OUT bytes bigint) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100000 AS 'MODULE_PATHNAME', 'pgfirst_kv_keys';
COMMENT ON FUNCTION @extschema@.live_keys() IS 'Behind the view keys.';
CREATE VIEW @extschema@.keys AS SELECT * FROM @extschema@.live_keys();
COMMENT ON VIEW @extschema@.keys IS
'Every live key of the current user''s tenant, in databases that it may read: database, key (NULL where it is not valid UTF-8) and its bytes, type, expiry, bytes of the value.';
GRANT SELECT ON @extschema@.keys TO PUBLIC;

-- What follows is named as in Redis and does what the command does. Where Redis has a null there is one; of a key that holds
-- another type all raise wrong_object_type.

CREATE FUNCTION @extschema@.incr(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_incr';
CREATE FUNCTION @extschema@.incr(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_incr';
COMMENT ON FUNCTION @extschema@.incr(text, integer) IS
'Adds 1 to a string that is an integer, 0 if there is none, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.incr(bytea, integer) IS
'Adds 1 to a string that is an integer, 0 if there is none, at commit. Returns the sum.';

CREATE FUNCTION @extschema@.decr(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_decr';
CREATE FUNCTION @extschema@.decr(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_decr';
COMMENT ON FUNCTION @extschema@.decr(text, integer) IS
'Subtracts 1 from a string that is an integer, 0 if there is none, at commit. Returns the difference.';
COMMENT ON FUNCTION @extschema@.decr(bytea, integer) IS
'Subtracts 1 from a string that is an integer, 0 if there is none, at commit. Returns the difference.';

CREATE FUNCTION @extschema@.incrby(key text, increment bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_incrby';
CREATE FUNCTION @extschema@.incrby(key bytea, increment bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_incrby';
COMMENT ON FUNCTION @extschema@.incrby(text, bigint, integer) IS
'Adds to a string that is an integer, 0 if there is none, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.incrby(bytea, bigint, integer) IS
'Adds to a string that is an integer, 0 if there is none, at commit. Returns the sum.';

CREATE FUNCTION @extschema@.decrby(key text, decrement bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_decrby';
CREATE FUNCTION @extschema@.decrby(key bytea, decrement bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_decrby';
COMMENT ON FUNCTION @extschema@.decrby(text, bigint, integer) IS
'Subtracts from a string that is an integer, 0 if there is none, at commit. Returns the difference.';
COMMENT ON FUNCTION @extschema@.decrby(bytea, bigint, integer) IS
'Subtracts from a string that is an integer, 0 if there is none, at commit. Returns the difference.';

CREATE FUNCTION @extschema@.incrbyfloat(key text, increment double precision,
	db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_incrbyfloat';
CREATE FUNCTION @extschema@.incrbyfloat(key bytea, increment double precision,
	db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_incrbyfloat';
COMMENT ON FUNCTION @extschema@.incrbyfloat(text, double precision, integer) IS
'Adds to a string that is a number, 0 if there is none, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.incrbyfloat(bytea, double precision, integer) IS
'Adds to a string that is a number, 0 if there is none, at commit. Returns the sum.';

CREATE FUNCTION @extschema@.append(key text, value text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_append';
CREATE FUNCTION @extschema@.append(key text, value bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_append';
CREATE FUNCTION @extschema@.append(key bytea, value bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_append';
COMMENT ON FUNCTION @extschema@.append(text, text, integer) IS
'Appends to a string, an empty one if there is none, at commit. Returns the bytes that it then has.';
COMMENT ON FUNCTION @extschema@.append(text, bytea, integer) IS
'Appends to a string, an empty one if there is none, at commit. Returns the bytes that it then has.';
COMMENT ON FUNCTION @extschema@.append(bytea, bytea, integer) IS
'Appends to a string, an empty one if there is none, at commit. Returns the bytes that it then has.';

CREATE FUNCTION @extschema@.strlen(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_strlen';
CREATE FUNCTION @extschema@.strlen(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_strlen';
COMMENT ON FUNCTION @extschema@.strlen(text, integer) IS 'The bytes of a string; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.strlen(bytea, integer) IS 'The bytes of a string; 0 if there is none.';

CREATE FUNCTION @extschema@.getrange(key text, start bigint, stop bigint, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_getrange';
CREATE FUNCTION @extschema@.getrange(key bytea, start bigint, stop bigint, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_getrange';
COMMENT ON FUNCTION @extschema@.getrange(text, bigint, bigint, integer) IS
'A piece of a string, both ends included, from 0, or from -1 at its end; empty if nothing is there.';
COMMENT ON FUNCTION @extschema@.getrange(bytea, bigint, bigint, integer) IS
'A piece of a string, both ends included, from 0, or from -1 at its end; empty if nothing is there.';

CREATE FUNCTION @extschema@.setrange(key text, start bigint, value text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_setrange';
CREATE FUNCTION @extschema@.setrange(key text, start bigint, value bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_setrange';
CREATE FUNCTION @extschema@.setrange(key bytea, start bigint, value bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_setrange';
COMMENT ON FUNCTION @extschema@.setrange(text, bigint, text, integer) IS
'Overwrites a piece of a string from a place on, behind zeros where it is shorter, at commit. Returns the bytes that it then has.';
COMMENT ON FUNCTION @extschema@.setrange(text, bigint, bytea, integer) IS
'Overwrites a piece of a string from a place on, behind zeros where it is shorter, at commit. Returns the bytes that it then has.';
COMMENT ON FUNCTION @extschema@.setrange(bytea, bigint, bytea, integer) IS
'Overwrites a piece of a string from a place on, behind zeros where it is shorter, at commit. Returns the bytes that it then has.';

CREATE FUNCTION @extschema@.getset(key text, value text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getset';
CREATE FUNCTION @extschema@.getset(key text, value bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getset';
CREATE FUNCTION @extschema@.getset(key bytea, value bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getset';
COMMENT ON FUNCTION @extschema@.getset(text, text, integer) IS
'Sets a string for ever, at commit, and returns the value that it had.';
COMMENT ON FUNCTION @extschema@.getset(text, bytea, integer) IS
'Sets a string for ever, at commit, and returns the value that it had.';
COMMENT ON FUNCTION @extschema@.getset(bytea, bytea, integer) IS
'Sets a string for ever, at commit, and returns the value that it had.';

CREATE FUNCTION @extschema@.getdel(key text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getdel';
CREATE FUNCTION @extschema@.getdel(key bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getdel';
COMMENT ON FUNCTION @extschema@.getdel(text, integer) IS 'Deletes a string, at commit, and returns its value.';
COMMENT ON FUNCTION @extschema@.getdel(bytea, integer) IS 'Deletes a string, at commit, and returns its value.';

CREATE FUNCTION @extschema@.getex(key text, ttl interval DEFAULT NULL, db integer DEFAULT 0,
	persist boolean DEFAULT false) RETURNS bytea
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getex';
CREATE FUNCTION @extschema@.getex(key bytea, ttl interval DEFAULT NULL, db integer DEFAULT 0,
	persist boolean DEFAULT false) RETURNS bytea
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_getex';
COMMENT ON FUNCTION @extschema@.getex(text, interval, integer, boolean) IS
'The value of a string, which at commit expires after ttl, or never if persist.';
COMMENT ON FUNCTION @extschema@.getex(bytea, interval, integer, boolean) IS
'The value of a string, which at commit expires after ttl, or never if persist.';

CREATE FUNCTION @extschema@.mget(keys text[], db integer DEFAULT 0) RETURNS bytea[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_mget';
CREATE FUNCTION @extschema@.mget(keys bytea[], db integer DEFAULT 0) RETURNS bytea[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_mget';
COMMENT ON FUNCTION @extschema@.mget(text[], integer) IS
'The values of many strings as of one moment, in the order of the keys; NULL where there is none.';
COMMENT ON FUNCTION @extschema@.mget(bytea[], integer) IS
'The values of many strings as of one moment, in the order of the keys; NULL where there is none.';

CREATE FUNCTION @extschema@.exists(key text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_exists';
CREATE FUNCTION @extschema@.exists(key bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_exists';
COMMENT ON FUNCTION @extschema@.exists(text, integer) IS 'Whether there is a key, of any type.';
COMMENT ON FUNCTION @extschema@.exists(bytea, integer) IS 'Whether there is a key, of any type.';

CREATE FUNCTION @extschema@.type(key text, db integer DEFAULT 0) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_type';
CREATE FUNCTION @extschema@.type(key bytea, db integer DEFAULT 0) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_type';
COMMENT ON FUNCTION @extschema@.type(text, integer) IS 'The type of a key; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.type(bytea, integer) IS 'The type of a key; NULL if there is none.';

CREATE FUNCTION @extschema@.ttl(key text, db integer DEFAULT 0) RETURNS interval
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_ttl';
CREATE FUNCTION @extschema@.ttl(key bytea, db integer DEFAULT 0) RETURNS interval
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_ttl';
COMMENT ON FUNCTION @extschema@.ttl(text, integer) IS
'How long a key will be there; NULL if it never expires, or if there is none.';
COMMENT ON FUNCTION @extschema@.ttl(bytea, integer) IS
'How long a key will be there; NULL if it never expires, or if there is none.';

CREATE FUNCTION @extschema@.expiretime(key text, db integer DEFAULT 0) RETURNS timestamptz
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_expiretime';
CREATE FUNCTION @extschema@.expiretime(key bytea, db integer DEFAULT 0) RETURNS timestamptz
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_expiretime';
COMMENT ON FUNCTION @extschema@.expiretime(text, integer) IS
'When a key expires; infinity for never, NULL if there is none.';
COMMENT ON FUNCTION @extschema@.expiretime(bytea, integer) IS
'When a key expires; infinity for never, NULL if there is none.';

CREATE FUNCTION @extschema@.expire(key text, ttl interval, db integer DEFAULT 0, nx boolean DEFAULT false,
	xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_expire_in';
CREATE FUNCTION @extschema@.expire(key bytea, ttl interval, db integer DEFAULT 0, nx boolean DEFAULT false,
	xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_expire_in';
COMMENT ON FUNCTION @extschema@.expire(text, interval, integer, boolean, boolean, boolean, boolean) IS
'Lets a key expire after ttl, from commit on; nx only if it has no expiry, xx only if it has one, gt and lt only if that is later or earlier. Deletes it if that is over. Returns whether it was done.';
COMMENT ON FUNCTION @extschema@.expire(bytea, interval, integer, boolean, boolean, boolean, boolean) IS
'Lets a key expire after ttl, from commit on; nx only if it has no expiry, xx only if it has one, gt and lt only if that is later or earlier. Deletes it if that is over. Returns whether it was done.';

CREATE FUNCTION @extschema@.expireat(key text, at timestamptz, db integer DEFAULT 0, nx boolean DEFAULT false,
	xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_expireat';
CREATE FUNCTION @extschema@.expireat(key bytea, at timestamptz, db integer DEFAULT 0, nx boolean DEFAULT false,
	xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_expireat';
COMMENT ON FUNCTION @extschema@.expireat(text, timestamptz, integer, boolean, boolean, boolean, boolean) IS
'Lets a key expire at a moment, as expire does; infinity is never.';
COMMENT ON FUNCTION @extschema@.expireat(bytea, timestamptz, integer, boolean, boolean, boolean, boolean) IS
'Lets a key expire at a moment, as expire does; infinity is never.';

CREATE FUNCTION @extschema@.persist(key text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_persist';
CREATE FUNCTION @extschema@.persist(key bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_persist';
COMMENT ON FUNCTION @extschema@.persist(text, integer) IS
'Lets a key never expire, at commit. Returns whether it had an expiry.';
COMMENT ON FUNCTION @extschema@.persist(bytea, integer) IS
'Lets a key never expire, at commit. Returns whether it had an expiry.';

CREATE FUNCTION @extschema@.rename(key text, newkey text, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rename';
CREATE FUNCTION @extschema@.rename(key bytea, newkey bytea, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rename';
COMMENT ON FUNCTION @extschema@.rename(text, text, integer) IS
'Gives a key another name, at commit, in place of what had that name.';
COMMENT ON FUNCTION @extschema@.rename(bytea, bytea, integer) IS
'Gives a key another name, at commit, in place of what had that name.';

CREATE FUNCTION @extschema@.renamenx(key text, newkey text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_renamenx';
CREATE FUNCTION @extschema@.renamenx(key bytea, newkey bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_renamenx';
COMMENT ON FUNCTION @extschema@.renamenx(text, text, integer) IS
'Gives a key another name, at commit, unless a key has it. Returns whether it did.';
COMMENT ON FUNCTION @extschema@.renamenx(bytea, bytea, integer) IS
'Gives a key another name, at commit, unless a key has it. Returns whether it did.';

CREATE FUNCTION @extschema@.copy(source text, destination text, db integer DEFAULT 0, to_db integer DEFAULT NULL,
	replace boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_copy';
CREATE FUNCTION @extschema@.copy(source bytea, destination bytea, db integer DEFAULT 0,
	to_db integer DEFAULT NULL, replace boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_copy';
COMMENT ON FUNCTION @extschema@.copy(text, text, integer, integer, boolean) IS
'Gives another key, in another database if to_db says so, the value and the expiry of a key, at commit; replace if there is one already. Returns whether it did.';
COMMENT ON FUNCTION @extschema@.copy(bytea, bytea, integer, integer, boolean) IS
'Gives another key, in another database if to_db says so, the value and the expiry of a key, at commit; replace if there is one already. Returns whether it did.';

CREATE FUNCTION @extschema@.move(key text, to_db integer, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_move';
CREATE FUNCTION @extschema@.move(key bytea, to_db integer, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_move';
COMMENT ON FUNCTION @extschema@.move(text, integer, integer) IS
'Takes a key to another database, at commit, unless that has one of this name. Returns whether it did.';
COMMENT ON FUNCTION @extschema@.move(bytea, integer, integer) IS
'Takes a key to another database, at commit, unless that has one of this name. Returns whether it did.';

CREATE FUNCTION @extschema@.string_of(key bytea, db integer, OUT value text, OUT value_bytes bytea)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_string_of';
COMMENT ON FUNCTION @extschema@.string_of(bytea, integer) IS 'Behind the view strings.';
CREATE VIEW @extschema@.strings AS
SELECT k.db, k.key, s.value, k.expires_at, k.key_bytes, s.value_bytes
FROM @extschema@.live_keys() k, LATERAL @extschema@.string_of(k.key_bytes, k.db) s
WHERE k.type = 'string' AND s.value_bytes IS NOT NULL;
COMMENT ON VIEW @extschema@.strings IS
'Every string of the current user''s tenant, in databases that it may read: database, key and value (NULL where they are not valid UTF-8), expiry, and the bytes of both.';
GRANT SELECT ON @extschema@.strings TO PUBLIC;

-- ---- hashes ---------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.hset(key text, field text, value text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hset';
CREATE FUNCTION @extschema@.hset(key text, field text, value bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hset';
CREATE FUNCTION @extschema@.hset(key bytea, field bytea, value bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hset';
CREATE FUNCTION @extschema@.hset(key text, fields text[], field_values text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hset_many';
CREATE FUNCTION @extschema@.hset(key text, fields text[], field_values bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hset_many';
CREATE FUNCTION @extschema@.hset(key bytea, fields bytea[], field_values bytea[],
	db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hset_many';
COMMENT ON FUNCTION @extschema@.hset(text, text, text, integer) IS
'Sets a field of a hash, at commit. Returns whether the field is new.';
COMMENT ON FUNCTION @extschema@.hset(text, text, bytea, integer) IS
'Sets a field of a hash, at commit. Returns whether the field is new.';
COMMENT ON FUNCTION @extschema@.hset(bytea, bytea, bytea, integer) IS
'Sets a field of a hash, at commit. Returns whether the field is new.';
COMMENT ON FUNCTION @extschema@.hset(text, text[], text[], integer) IS
'Sets fields of a hash to the values in the same places, at commit. Returns how many of the fields are new.';
COMMENT ON FUNCTION @extschema@.hset(text, text[], bytea[], integer) IS
'Sets fields of a hash to the values in the same places, at commit. Returns how many of the fields are new.';
COMMENT ON FUNCTION @extschema@.hset(bytea, bytea[], bytea[], integer) IS
'Sets fields of a hash to the values in the same places, at commit. Returns how many of the fields are new.';

CREATE FUNCTION @extschema@.hsetnx(key text, field text, value text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hsetnx';
CREATE FUNCTION @extschema@.hsetnx(key text, field text, value bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hsetnx';
CREATE FUNCTION @extschema@.hsetnx(key bytea, field bytea, value bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hsetnx';
COMMENT ON FUNCTION @extschema@.hsetnx(text, text, text, integer) IS
'Sets a field of a hash, at commit, unless it is there. Returns whether it was set.';
COMMENT ON FUNCTION @extschema@.hsetnx(text, text, bytea, integer) IS
'Sets a field of a hash, at commit, unless it is there. Returns whether it was set.';
COMMENT ON FUNCTION @extschema@.hsetnx(bytea, bytea, bytea, integer) IS
'Sets a field of a hash, at commit, unless it is there. Returns whether it was set.';

CREATE FUNCTION @extschema@.hget(key text, field text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hget';
CREATE FUNCTION @extschema@.hget(key bytea, field bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hget';
CREATE FUNCTION @extschema@.hmget(key text, fields text[], db integer DEFAULT 0) RETURNS bytea[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hmget';
CREATE FUNCTION @extschema@.hmget(key bytea, fields bytea[], db integer DEFAULT 0) RETURNS bytea[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hmget';
COMMENT ON FUNCTION @extschema@.hget(text, text, integer) IS
'The value of a field of a hash; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.hget(bytea, bytea, integer) IS
'The value of a field of a hash; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.hmget(text, text[], integer) IS
'The values of fields of a hash as of one moment, in the order of the fields; NULL where there is none.';
COMMENT ON FUNCTION @extschema@.hmget(bytea, bytea[], integer) IS
'The values of fields of a hash as of one moment, in the order of the fields; NULL where there is none.';

CREATE FUNCTION @extschema@.hexists(key text, field text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hexists';
CREATE FUNCTION @extschema@.hexists(key bytea, field bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hexists';
CREATE FUNCTION @extschema@.hlen(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hlen';
CREATE FUNCTION @extschema@.hlen(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hlen';
COMMENT ON FUNCTION @extschema@.hexists(text, text, integer) IS 'Whether a hash has a field.';
COMMENT ON FUNCTION @extschema@.hexists(bytea, bytea, integer) IS 'Whether a hash has a field.';
COMMENT ON FUNCTION @extschema@.hlen(text, integer) IS 'How many fields a hash has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.hlen(bytea, integer) IS 'How many fields a hash has; 0 if there is none.';

CREATE FUNCTION @extschema@.hgetall(key text, db integer DEFAULT 0, OUT field bytea,
	OUT value bytea) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hgetall';
CREATE FUNCTION @extschema@.hgetall(key bytea, db integer DEFAULT 0, OUT field bytea,
	OUT value bytea) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_hgetall';
COMMENT ON FUNCTION @extschema@.hgetall(text, integer) IS
'All fields of a hash with their values, as of one moment.';
COMMENT ON FUNCTION @extschema@.hgetall(bytea, integer) IS
'All fields of a hash with their values, as of one moment.';

CREATE FUNCTION @extschema@.hdel(key text, field text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hdel';
CREATE FUNCTION @extschema@.hdel(key bytea, field bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hdel';
CREATE FUNCTION @extschema@.hdel(key text, fields text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hdel_many';
CREATE FUNCTION @extschema@.hdel(key bytea, fields bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hdel_many';
COMMENT ON FUNCTION @extschema@.hdel(text, text, integer) IS
'Deletes a field of a hash, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.hdel(bytea, bytea, integer) IS
'Deletes a field of a hash, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.hdel(text, text[], integer) IS
'Deletes fields of a hash, at commit. Returns how many of them were there.';
COMMENT ON FUNCTION @extschema@.hdel(bytea, bytea[], integer) IS
'Deletes fields of a hash, at commit. Returns how many of them were there.';

CREATE FUNCTION @extschema@.hincrby(key text, field text, increment bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hincrby';
CREATE FUNCTION @extschema@.hincrby(key bytea, field bytea, increment bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hincrby';
CREATE FUNCTION @extschema@.hincrbyfloat(key text, field text, increment double precision,
	db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hincrbyfloat';
CREATE FUNCTION @extschema@.hincrbyfloat(key bytea, field bytea, increment double precision,
	db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_hincrbyfloat';
COMMENT ON FUNCTION @extschema@.hincrby(text, text, bigint, integer) IS
'Adds to a field of a hash that is an integer, 0 if there is none, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.hincrby(bytea, bytea, bigint, integer) IS
'Adds to a field of a hash that is an integer, 0 if there is none, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.hincrbyfloat(text, text, double precision, integer) IS
'Adds to a field of a hash that is a number, 0 if there is none, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.hincrbyfloat(bytea, bytea, double precision, integer) IS
'Adds to a field of a hash that is a number, 0 if there is none, at commit. Returns the sum.';

CREATE FUNCTION @extschema@.hash_of(key bytea, db integer, OUT field text, OUT field_bytes bytea,
	OUT value text, OUT value_bytes bytea)
	RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'pgfirst_kv_hash_of';
COMMENT ON FUNCTION @extschema@.hash_of(bytea, integer) IS 'Behind the view hash_fields.';
CREATE VIEW @extschema@.hash_fields AS
SELECT k.db, k.key, e.field, e.value, k.key_bytes, e.field_bytes, e.value_bytes
FROM @extschema@.live_keys() k, LATERAL @extschema@.hash_of(k.key_bytes, k.db) e
WHERE k.type = 'hash';
COMMENT ON VIEW @extschema@.hash_fields IS
'Every field of every hash of the current user''s tenant, in databases that it may read, each hash as of one moment: database, key, field and value (NULL where they are not valid UTF-8), and the bytes of all three.';
GRANT SELECT ON @extschema@.hash_fields TO PUBLIC;

-- ---- lists ----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.lpush(key text, element text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpush';
CREATE FUNCTION @extschema@.lpush(key text, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpush';
CREATE FUNCTION @extschema@.lpush(key bytea, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpush';
CREATE FUNCTION @extschema@.lpush(key text, elements text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpush';
CREATE FUNCTION @extschema@.lpush(key text, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpush';
CREATE FUNCTION @extschema@.lpush(key bytea, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpush';
COMMENT ON FUNCTION @extschema@.lpush(text, text, integer) IS
'Puts an element in front of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpush(text, bytea, integer) IS
'Puts an element in front of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpush(bytea, bytea, integer) IS
'Puts an element in front of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpush(text, text[], integer) IS
'Puts elements, one after the other, in front of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpush(text, bytea[], integer) IS
'Puts elements, one after the other, in front of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpush(bytea, bytea[], integer) IS
'Puts elements, one after the other, in front of a list, at commit. Returns how many it then has.';

CREATE FUNCTION @extschema@.rpush(key text, element text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpush';
CREATE FUNCTION @extschema@.rpush(key text, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpush';
CREATE FUNCTION @extschema@.rpush(key bytea, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpush';
CREATE FUNCTION @extschema@.rpush(key text, elements text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpush';
CREATE FUNCTION @extschema@.rpush(key text, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpush';
CREATE FUNCTION @extschema@.rpush(key bytea, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpush';
COMMENT ON FUNCTION @extschema@.rpush(text, text, integer) IS
'Puts an element at the end of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpush(text, bytea, integer) IS
'Puts an element at the end of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpush(bytea, bytea, integer) IS
'Puts an element at the end of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpush(text, text[], integer) IS
'Puts elements, one after the other, at the end of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpush(text, bytea[], integer) IS
'Puts elements, one after the other, at the end of a list, at commit. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpush(bytea, bytea[], integer) IS
'Puts elements, one after the other, at the end of a list, at commit. Returns how many it then has.';

CREATE FUNCTION @extschema@.lpushx(key text, element text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpushx';
CREATE FUNCTION @extschema@.lpushx(key text, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpushx';
CREATE FUNCTION @extschema@.lpushx(key bytea, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpushx';
CREATE FUNCTION @extschema@.lpushx(key text, elements text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpushx';
CREATE FUNCTION @extschema@.lpushx(key text, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpushx';
CREATE FUNCTION @extschema@.lpushx(key bytea, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpushx';
COMMENT ON FUNCTION @extschema@.lpushx(text, text, integer) IS
'Puts an element in front of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpushx(text, bytea, integer) IS
'Puts an element in front of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpushx(bytea, bytea, integer) IS
'Puts an element in front of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpushx(text, text[], integer) IS
'Puts elements, one after the other, in front of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpushx(text, bytea[], integer) IS
'Puts elements, one after the other, in front of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.lpushx(bytea, bytea[], integer) IS
'Puts elements, one after the other, in front of a list, at commit, if there is one. Returns how many it then has.';

CREATE FUNCTION @extschema@.rpushx(key text, element text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpushx';
CREATE FUNCTION @extschema@.rpushx(key text, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpushx';
CREATE FUNCTION @extschema@.rpushx(key bytea, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpushx';
CREATE FUNCTION @extschema@.rpushx(key text, elements text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpushx';
CREATE FUNCTION @extschema@.rpushx(key text, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpushx';
CREATE FUNCTION @extschema@.rpushx(key bytea, elements bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpushx';
COMMENT ON FUNCTION @extschema@.rpushx(text, text, integer) IS
'Puts an element at the end of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpushx(text, bytea, integer) IS
'Puts an element at the end of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpushx(bytea, bytea, integer) IS
'Puts an element at the end of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpushx(text, text[], integer) IS
'Puts elements, one after the other, at the end of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpushx(text, bytea[], integer) IS
'Puts elements, one after the other, at the end of a list, at commit, if there is one. Returns how many it then has.';
COMMENT ON FUNCTION @extschema@.rpushx(bytea, bytea[], integer) IS
'Puts elements, one after the other, at the end of a list, at commit, if there is one. Returns how many it then has.';

CREATE FUNCTION @extschema@.lpop(key text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpop';
CREATE FUNCTION @extschema@.lpop(key bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lpop';
CREATE FUNCTION @extschema@.rpop(key text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpop';
CREATE FUNCTION @extschema@.rpop(key bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_rpop';
CREATE FUNCTION @extschema@.lmpop(keys text[], wherefrom text, db integer DEFAULT 0, count bigint DEFAULT 1,
	OUT key bytea, OUT element bytea) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lmpop';
CREATE FUNCTION @extschema@.lmpop(keys bytea[], wherefrom text, db integer DEFAULT 0, count bigint DEFAULT 1,
	OUT key bytea, OUT element bytea) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lmpop';
COMMENT ON FUNCTION @extschema@.lpop(text, integer) IS
'Takes the first element of a list away, at commit, and returns it; NULL if there is no list.';
COMMENT ON FUNCTION @extschema@.lpop(bytea, integer) IS
'Takes the first element of a list away, at commit, and returns it; NULL if there is no list.';
COMMENT ON FUNCTION @extschema@.rpop(text, integer) IS
'Takes the last element of a list away, at commit, and returns it; NULL if there is no list.';
COMMENT ON FUNCTION @extschema@.rpop(bytea, integer) IS
'Takes the last element of a list away, at commit, and returns it; NULL if there is no list.';
COMMENT ON FUNCTION @extschema@.lmpop(text[], text, integer, bigint) IS
'Takes so many elements away from an end, LEFT or RIGHT, of the first of these lists that there is, at commit: a row for each.';
COMMENT ON FUNCTION @extschema@.lmpop(bytea[], text, integer, bigint) IS
'Takes so many elements away from an end, LEFT or RIGHT, of the first of these lists that there is, at commit: a row for each.';

CREATE FUNCTION @extschema@.lmove(source text, destination text, wherefrom text, whereto text,
	db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lmove';
CREATE FUNCTION @extschema@.lmove(source bytea, destination bytea, wherefrom text, whereto text,
	db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lmove';
COMMENT ON FUNCTION @extschema@.lmove(text, text, text, text, integer) IS
'Moves an element from an end of a list to an end of another one, or of the same, at commit; ends are LEFT and RIGHT. Returns it; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.lmove(bytea, bytea, text, text, integer) IS
'Moves an element from an end of a list to an end of another one, or of the same, at commit; ends are LEFT and RIGHT. Returns it; NULL if there is none.';

CREATE FUNCTION @extschema@.llen(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_llen';
CREATE FUNCTION @extschema@.llen(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_llen';
CREATE FUNCTION @extschema@.lindex(key text, index bigint, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_lindex';
CREATE FUNCTION @extschema@.lindex(key bytea, index bigint, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_lindex';
CREATE FUNCTION @extschema@.lrange(key text, start bigint, stop bigint, db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_lrange';
CREATE FUNCTION @extschema@.lrange(key bytea, start bigint, stop bigint, db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_lrange';
COMMENT ON FUNCTION @extschema@.llen(text, integer) IS 'How many elements a list has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.llen(bytea, integer) IS 'How many elements a list has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.lindex(text, bigint, integer) IS
'The element of a list at an index, from 0, or from -1 at the end; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.lindex(bytea, bigint, integer) IS
'The element of a list at an index, from 0, or from -1 at the end; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.lrange(text, bigint, bigint, integer) IS
'Elements of a list in their order and as of one moment, both ends included, from 0, or from -1 at the end.';
COMMENT ON FUNCTION @extschema@.lrange(bytea, bigint, bigint, integer) IS
'Elements of a list in their order and as of one moment, both ends included, from 0, or from -1 at the end.';

CREATE FUNCTION @extschema@.lset(key text, index bigint, element text, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lset';
CREATE FUNCTION @extschema@.lset(key text, index bigint, element bytea, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lset';
CREATE FUNCTION @extschema@.lset(key bytea, index bigint, element bytea, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lset';
CREATE FUNCTION @extschema@.linsert(key text, place text, pivot text, element text,
	db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_linsert';
CREATE FUNCTION @extschema@.linsert(key text, place text, pivot bytea, element bytea,
	db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_linsert';
CREATE FUNCTION @extschema@.linsert(key bytea, place text, pivot bytea, element bytea,
	db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_linsert';
COMMENT ON FUNCTION @extschema@.lset(text, bigint, text, integer) IS
'Replaces the element of a list at an index, at commit.';
COMMENT ON FUNCTION @extschema@.lset(text, bigint, bytea, integer) IS
'Replaces the element of a list at an index, at commit.';
COMMENT ON FUNCTION @extschema@.lset(bytea, bigint, bytea, integer) IS
'Replaces the element of a list at an index, at commit.';
COMMENT ON FUNCTION @extschema@.linsert(text, text, text, text, integer) IS
'Puts an element BEFORE or AFTER the first one of a list that is equal to pivot, at commit. Returns how many it then has; -1 if there is no such element, 0 if there is no list.';
COMMENT ON FUNCTION @extschema@.linsert(text, text, bytea, bytea, integer) IS
'Puts an element BEFORE or AFTER the first one of a list that is equal to pivot, at commit. Returns how many it then has; -1 if there is no such element, 0 if there is no list.';
COMMENT ON FUNCTION @extschema@.linsert(bytea, text, bytea, bytea, integer) IS
'Puts an element BEFORE or AFTER the first one of a list that is equal to pivot, at commit. Returns how many it then has; -1 if there is no such element, 0 if there is no list.';

CREATE FUNCTION @extschema@.lrem(key text, count bigint, element text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lrem';
CREATE FUNCTION @extschema@.lrem(key text, count bigint, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lrem';
CREATE FUNCTION @extschema@.lrem(key bytea, count bigint, element bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_lrem';
CREATE FUNCTION @extschema@.ltrim(key text, start bigint, stop bigint, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_ltrim';
CREATE FUNCTION @extschema@.ltrim(key bytea, start bigint, stop bigint, db integer DEFAULT 0) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_ltrim';
COMMENT ON FUNCTION @extschema@.lrem(text, bigint, text, integer) IS
'Deletes the first count elements of a list that are equal to this one, the last ones if count is negative, all if it is 0, at commit. Returns how many there were.';
COMMENT ON FUNCTION @extschema@.lrem(text, bigint, bytea, integer) IS
'Deletes the first count elements of a list that are equal to this one, the last ones if count is negative, all if it is 0, at commit. Returns how many there were.';
COMMENT ON FUNCTION @extschema@.lrem(bytea, bigint, bytea, integer) IS
'Deletes the first count elements of a list that are equal to this one, the last ones if count is negative, all if it is 0, at commit. Returns how many there were.';
COMMENT ON FUNCTION @extschema@.ltrim(text, bigint, bigint, integer) IS
'Deletes all elements of a list but those from start to stop, at commit.';
COMMENT ON FUNCTION @extschema@.ltrim(bytea, bigint, bigint, integer) IS
'Deletes all elements of a list but those from start to stop, at commit.';

CREATE FUNCTION @extschema@.list_of(key bytea, db integer, OUT "position" bigint, OUT value text,
	OUT value_bytes bytea)
	RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'pgfirst_kv_list_of';
COMMENT ON FUNCTION @extschema@.list_of(bytea, integer) IS 'Behind the view list_items.';
CREATE VIEW @extschema@.list_items AS
SELECT k.db, k.key, e."position", e.value, k.key_bytes, e.value_bytes
FROM @extschema@.live_keys() k, LATERAL @extschema@.list_of(k.key_bytes, k.db) e
WHERE k.type = 'list';
COMMENT ON VIEW @extschema@.list_items IS
'Every element of every list of the current user''s tenant, in databases that it may read, each list as of one moment: database, key, position from 0, value (NULL where it or the key is not valid UTF-8), and the bytes of both.';
GRANT SELECT ON @extschema@.list_items TO PUBLIC;

-- ---- sets -----------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.sadd(key text, member text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_sadd';
CREATE FUNCTION @extschema@.sadd(key bytea, member bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_sadd';
CREATE FUNCTION @extschema@.sadd(key text, members text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_sadd_many';
CREATE FUNCTION @extschema@.sadd(key bytea, members bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_sadd_many';
COMMENT ON FUNCTION @extschema@.sadd(text, text, integer) IS
'Adds a member to a set, at commit. Returns whether it is new.';
COMMENT ON FUNCTION @extschema@.sadd(bytea, bytea, integer) IS
'Adds a member to a set, at commit. Returns whether it is new.';
COMMENT ON FUNCTION @extschema@.sadd(text, text[], integer) IS
'Adds members to a set, at commit. Returns how many of them are new.';
COMMENT ON FUNCTION @extschema@.sadd(bytea, bytea[], integer) IS
'Adds members to a set, at commit. Returns how many of them are new.';

CREATE FUNCTION @extschema@.srem(key text, member text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_srem';
CREATE FUNCTION @extschema@.srem(key bytea, member bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_srem';
CREATE FUNCTION @extschema@.srem(key text, members text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_srem_many';
CREATE FUNCTION @extschema@.srem(key bytea, members bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_srem_many';
COMMENT ON FUNCTION @extschema@.srem(text, text, integer) IS
'Deletes a member of a set, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.srem(bytea, bytea, integer) IS
'Deletes a member of a set, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.srem(text, text[], integer) IS
'Deletes members of a set, at commit. Returns how many of them were there.';
COMMENT ON FUNCTION @extschema@.srem(bytea, bytea[], integer) IS
'Deletes members of a set, at commit. Returns how many of them were there.';

CREATE FUNCTION @extschema@.smove(source text, destination text, member text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_smove';
CREATE FUNCTION @extschema@.smove(source bytea, destination bytea, member bytea,
	db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_smove';
CREATE FUNCTION @extschema@.spop(key text, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_spop';
CREATE FUNCTION @extschema@.spop(key bytea, db integer DEFAULT 0) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_spop';
COMMENT ON FUNCTION @extschema@.smove(text, text, text, integer) IS
'Moves a member from one set to another, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.smove(bytea, bytea, bytea, integer) IS
'Moves a member from one set to another, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.spop(text, integer) IS
'Takes a member by chance out of a set, at commit, and returns it; NULL if there is no set.';
COMMENT ON FUNCTION @extschema@.spop(bytea, integer) IS
'Takes a member by chance out of a set, at commit, and returns it; NULL if there is no set.';

CREATE FUNCTION @extschema@.sismember(key text, member text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sismember';
CREATE FUNCTION @extschema@.sismember(key bytea, member bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sismember';
CREATE FUNCTION @extschema@.smismember(key text, members text[], db integer DEFAULT 0) RETURNS boolean[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_smismember';
CREATE FUNCTION @extschema@.smismember(key bytea, members bytea[], db integer DEFAULT 0) RETURNS boolean[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_smismember';
CREATE FUNCTION @extschema@.scard(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_scard';
CREATE FUNCTION @extschema@.scard(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_scard';
COMMENT ON FUNCTION @extschema@.sismember(text, text, integer) IS 'Whether a set has a member.';
COMMENT ON FUNCTION @extschema@.sismember(bytea, bytea, integer) IS 'Whether a set has a member.';
COMMENT ON FUNCTION @extschema@.smismember(text, text[], integer) IS
'Whether a set has members, as of one moment and in their order; NULL where one is null.';
COMMENT ON FUNCTION @extschema@.smismember(bytea, bytea[], integer) IS
'Whether a set has members, as of one moment and in their order; NULL where one is null.';
COMMENT ON FUNCTION @extschema@.scard(text, integer) IS 'How many members a set has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.scard(bytea, integer) IS 'How many members a set has; 0 if there is none.';

CREATE FUNCTION @extschema@.smembers(key text, db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_smembers';
CREATE FUNCTION @extschema@.smembers(key bytea, db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_smembers';
CREATE FUNCTION @extschema@.srandmember(key text, db integer DEFAULT 0, count bigint DEFAULT 1) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_srandmember';
CREATE FUNCTION @extschema@.srandmember(key bytea, db integer DEFAULT 0, count bigint DEFAULT 1) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_srandmember';
COMMENT ON FUNCTION @extschema@.smembers(text, integer) IS 'All members of a set as of one moment.';
COMMENT ON FUNCTION @extschema@.smembers(bytea, integer) IS 'All members of a set as of one moment.';
COMMENT ON FUNCTION @extschema@.srandmember(text, integer, bigint) IS
'So many different members of a set by chance; if count is negative, so many that may repeat.';
COMMENT ON FUNCTION @extschema@.srandmember(bytea, integer, bigint) IS
'So many different members of a set by chance; if count is negative, so many that may repeat.';

CREATE FUNCTION @extschema@.sinter(keys text[], db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sinter';
CREATE FUNCTION @extschema@.sinter(keys bytea[], db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sinter';
CREATE FUNCTION @extschema@.sunion(keys text[], db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sunion';
CREATE FUNCTION @extschema@.sunion(keys bytea[], db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sunion';
CREATE FUNCTION @extschema@.sdiff(keys text[], db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sdiff';
CREATE FUNCTION @extschema@.sdiff(keys bytea[], db integer DEFAULT 0) RETURNS SETOF bytea
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_sdiff';
COMMENT ON FUNCTION @extschema@.sinter(text[], integer) IS
'The members that all of these sets have, as of one moment.';
COMMENT ON FUNCTION @extschema@.sinter(bytea[], integer) IS
'The members that all of these sets have, as of one moment.';
COMMENT ON FUNCTION @extschema@.sunion(text[], integer) IS
'The members that any of these sets has, as of one moment.';
COMMENT ON FUNCTION @extschema@.sunion(bytea[], integer) IS
'The members that any of these sets has, as of one moment.';
COMMENT ON FUNCTION @extschema@.sdiff(text[], integer) IS
'The members of the first of these sets that the others have not, as of one moment.';
COMMENT ON FUNCTION @extschema@.sdiff(bytea[], integer) IS
'The members of the first of these sets that the others have not, as of one moment.';

CREATE FUNCTION @extschema@.set_of(key bytea, db integer, OUT member text, OUT member_bytes bytea)
	RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'pgfirst_kv_set_of';
COMMENT ON FUNCTION @extschema@.set_of(bytea, integer) IS 'Behind the view set_members.';
CREATE VIEW @extschema@.set_members AS
SELECT k.db, k.key, e.member, k.key_bytes, e.member_bytes
FROM @extschema@.live_keys() k, LATERAL @extschema@.set_of(k.key_bytes, k.db) e
WHERE k.type = 'set';
COMMENT ON VIEW @extschema@.set_members IS
'Every member of every set of the current user''s tenant, in databases that it may read, each set as of one moment: database, key and member (NULL where they are not valid UTF-8), and the bytes of both.';
GRANT SELECT ON @extschema@.set_members TO PUBLIC;

-- ---- sorted sets ----------------------------------------------------------------------------

CREATE FUNCTION @extschema@.zadd(key text, member text, score double precision, db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false,
	ch boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zadd';
CREATE FUNCTION @extschema@.zadd(key bytea, member bytea, score double precision, db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false,
	ch boolean DEFAULT false) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zadd';
CREATE FUNCTION @extschema@.zadd(key text, members text[], scores double precision[], db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false,
	ch boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zadd_many';
CREATE FUNCTION @extschema@.zadd(key bytea, members bytea[], scores double precision[], db integer DEFAULT 0,
	nx boolean DEFAULT false, xx boolean DEFAULT false, gt boolean DEFAULT false, lt boolean DEFAULT false,
	ch boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zadd_many';
COMMENT ON FUNCTION @extschema@.zadd(text, text, double precision, integer, boolean, boolean, boolean, boolean, boolean) IS
'Adds a member to a sorted set or gives it another score, at commit; nx only if it is new, xx only if it is there, gt and lt only to a higher or lower one. Returns whether it is new or, with ch, new or changed.';
COMMENT ON FUNCTION @extschema@.zadd(bytea, bytea, double precision, integer, boolean, boolean, boolean, boolean, boolean) IS
'Adds a member to a sorted set or gives it another score, at commit; nx only if it is new, xx only if it is there, gt and lt only to a higher or lower one. Returns whether it is new or, with ch, new or changed.';
COMMENT ON FUNCTION @extschema@.zadd(text, text[], double precision[], integer, boolean, boolean, boolean, boolean, boolean) IS
'The same with the scores in the same places. Returns how many members are new or, with ch, new or changed.';
COMMENT ON FUNCTION @extschema@.zadd(bytea, bytea[], double precision[], integer, boolean, boolean, boolean, boolean, boolean) IS
'The same with the scores in the same places. Returns how many members are new or, with ch, new or changed.';

CREATE FUNCTION @extschema@.zincrby(key text, member text, increment double precision,
	db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zincrby';
CREATE FUNCTION @extschema@.zincrby(key bytea, member bytea, increment double precision,
	db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zincrby';
COMMENT ON FUNCTION @extschema@.zincrby(text, text, double precision, integer) IS
'Adds to the score of a member of a sorted set, 0 if it is new, at commit. Returns the sum.';
COMMENT ON FUNCTION @extschema@.zincrby(bytea, bytea, double precision, integer) IS
'Adds to the score of a member of a sorted set, 0 if it is new, at commit. Returns the sum.';

CREATE FUNCTION @extschema@.zrem(key text, member text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zrem';
CREATE FUNCTION @extschema@.zrem(key bytea, member bytea, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zrem';
CREATE FUNCTION @extschema@.zrem(key text, members text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zrem_many';
CREATE FUNCTION @extschema@.zrem(key bytea, members bytea[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zrem_many';
COMMENT ON FUNCTION @extschema@.zrem(text, text, integer) IS
'Deletes a member of a sorted set, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.zrem(bytea, bytea, integer) IS
'Deletes a member of a sorted set, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.zrem(text, text[], integer) IS
'Deletes members of a sorted set, at commit. Returns how many of them were there.';
COMMENT ON FUNCTION @extschema@.zrem(bytea, bytea[], integer) IS
'Deletes members of a sorted set, at commit. Returns how many of them were there.';

CREATE FUNCTION @extschema@.zpopmin(key text, db integer DEFAULT 0, count bigint DEFAULT 1, OUT member bytea,
	OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zpopmin';
CREATE FUNCTION @extschema@.zpopmin(key bytea, db integer DEFAULT 0, count bigint DEFAULT 1, OUT member bytea,
	OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zpopmin';
CREATE FUNCTION @extschema@.zpopmax(key text, db integer DEFAULT 0, count bigint DEFAULT 1, OUT member bytea,
	OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zpopmax';
CREATE FUNCTION @extschema@.zpopmax(key bytea, db integer DEFAULT 0, count bigint DEFAULT 1, OUT member bytea,
	OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zpopmax';
COMMENT ON FUNCTION @extschema@.zpopmin(text, integer, bigint) IS
'Takes the members with the lowest scores out of a sorted set, at commit: a row for each, none if there is no set.';
COMMENT ON FUNCTION @extschema@.zpopmin(bytea, integer, bigint) IS
'Takes the members with the lowest scores out of a sorted set, at commit: a row for each, none if there is no set.';
COMMENT ON FUNCTION @extschema@.zpopmax(text, integer, bigint) IS
'Takes the members with the highest scores out of a sorted set, at commit: a row for each, none if there is no set.';
COMMENT ON FUNCTION @extschema@.zpopmax(bytea, integer, bigint) IS
'Takes the members with the highest scores out of a sorted set, at commit: a row for each, none if there is no set.';

CREATE FUNCTION @extschema@.zscore(key text, member text, db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zscore';
CREATE FUNCTION @extschema@.zscore(key bytea, member bytea, db integer DEFAULT 0) RETURNS double precision
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zscore';
CREATE FUNCTION @extschema@.zmscore(key text, members text[], db integer DEFAULT 0) RETURNS double precision[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zmscore';
CREATE FUNCTION @extschema@.zmscore(key bytea, members bytea[], db integer DEFAULT 0) RETURNS double precision[]
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zmscore';
COMMENT ON FUNCTION @extschema@.zscore(text, text, integer) IS
'The score of a member of a sorted set; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.zscore(bytea, bytea, integer) IS
'The score of a member of a sorted set; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.zmscore(text, text[], integer) IS
'The scores of members of a sorted set as of one moment, in their order; NULL where there is none.';
COMMENT ON FUNCTION @extschema@.zmscore(bytea, bytea[], integer) IS
'The scores of members of a sorted set as of one moment, in their order; NULL where there is none.';

CREATE FUNCTION @extschema@.zrank(key text, member text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrank';
CREATE FUNCTION @extschema@.zrank(key bytea, member bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrank';
CREATE FUNCTION @extschema@.zrevrank(key text, member text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrevrank';
CREATE FUNCTION @extschema@.zrevrank(key bytea, member bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrevrank';
COMMENT ON FUNCTION @extschema@.zrank(text, text, integer) IS
'How many members of a sorted set are before this one; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.zrank(bytea, bytea, integer) IS
'How many members of a sorted set are before this one; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.zrevrank(text, text, integer) IS
'How many members of a sorted set are behind this one; NULL if there is none.';
COMMENT ON FUNCTION @extschema@.zrevrank(bytea, bytea, integer) IS
'How many members of a sorted set are behind this one; NULL if there is none.';

CREATE FUNCTION @extschema@.zcard(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zcard';
CREATE FUNCTION @extschema@.zcard(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zcard';
CREATE FUNCTION @extschema@.zcount(key text, min double precision, max double precision, db integer DEFAULT 0,
	min_open boolean DEFAULT false, max_open boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zcount';
CREATE FUNCTION @extschema@.zcount(key bytea, min double precision, max double precision, db integer DEFAULT 0,
	min_open boolean DEFAULT false, max_open boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zcount';
COMMENT ON FUNCTION @extschema@.zcard(text, integer) IS
'How many members a sorted set has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.zcard(bytea, integer) IS
'How many members a sorted set has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.zcount(text, double precision, double precision, integer, boolean, boolean) IS
'How many members of a sorted set have a score from min to max; an end that is open does not count.';
COMMENT ON FUNCTION @extschema@.zcount(bytea, double precision, double precision, integer, boolean, boolean) IS
'How many members of a sorted set have a score from min to max; an end that is open does not count.';

CREATE FUNCTION @extschema@.zrange(key text, start bigint, stop bigint, db integer DEFAULT 0,
	rev boolean DEFAULT false, OUT member bytea, OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrange';
CREATE FUNCTION @extschema@.zrange(key bytea, start bigint, stop bigint, db integer DEFAULT 0,
	rev boolean DEFAULT false, OUT member bytea, OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrange';
CREATE FUNCTION @extschema@.zrangebyscore(key text, min double precision, max double precision,
	db integer DEFAULT 0, rev boolean DEFAULT false, min_open boolean DEFAULT false,
	max_open boolean DEFAULT false, skip bigint DEFAULT 0, count bigint DEFAULT -1, OUT member bytea, OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrangebyscore';
CREATE FUNCTION @extschema@.zrangebyscore(key bytea, min double precision, max double precision,
	db integer DEFAULT 0, rev boolean DEFAULT false, min_open boolean DEFAULT false,
	max_open boolean DEFAULT false, skip bigint DEFAULT 0, count bigint DEFAULT -1, OUT member bytea, OUT score double precision) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_zrangebyscore';
COMMENT ON FUNCTION @extschema@.zrange(text, bigint, bigint, integer, boolean) IS
'Members of a sorted set in their order, backwards if rev, as of one moment; both ends included, from 0, or from -1 at the end.';
COMMENT ON FUNCTION @extschema@.zrange(bytea, bigint, bigint, integer, boolean) IS
'Members of a sorted set in their order, backwards if rev, as of one moment; both ends included, from 0, or from -1 at the end.';
COMMENT ON FUNCTION @extschema@.zrangebyscore(text, double precision, double precision, integer, boolean, boolean, boolean, bigint, bigint) IS
'Members of a sorted set with scores from min to max in their order, backwards if rev, as of one moment; an end that is open does not count. Passes the first skip over and returns count of them, all if that is negative.';
COMMENT ON FUNCTION @extschema@.zrangebyscore(bytea, double precision, double precision, integer, boolean, boolean, boolean, bigint, bigint) IS
'Members of a sorted set with scores from min to max in their order, backwards if rev, as of one moment; an end that is open does not count. Passes the first skip over and returns count of them, all if that is negative.';

CREATE FUNCTION @extschema@.zremrangebyrank(key text, start bigint, stop bigint,
	db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zremrangebyrank';
CREATE FUNCTION @extschema@.zremrangebyrank(key bytea, start bigint, stop bigint,
	db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zremrangebyrank';
CREATE FUNCTION @extschema@.zremrangebyscore(key text, min double precision, max double precision,
	db integer DEFAULT 0, min_open boolean DEFAULT false, max_open boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zremrangebyscore';
CREATE FUNCTION @extschema@.zremrangebyscore(key bytea, min double precision, max double precision,
	db integer DEFAULT 0, min_open boolean DEFAULT false, max_open boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_zremrangebyscore';
COMMENT ON FUNCTION @extschema@.zremrangebyrank(text, bigint, bigint, integer) IS
'Deletes the members of a sorted set from one place in its order to another, at commit. Returns how many there were.';
COMMENT ON FUNCTION @extschema@.zremrangebyrank(bytea, bigint, bigint, integer) IS
'Deletes the members of a sorted set from one place in its order to another, at commit. Returns how many there were.';
COMMENT ON FUNCTION @extschema@.zremrangebyscore(text, double precision, double precision, integer, boolean, boolean) IS
'Deletes the members of a sorted set with scores from min to max, at commit; an end that is open does not count. Returns how many there were.';
COMMENT ON FUNCTION @extschema@.zremrangebyscore(bytea, double precision, double precision, integer, boolean, boolean) IS
'Deletes the members of a sorted set with scores from min to max, at commit; an end that is open does not count. Returns how many there were.';

CREATE FUNCTION @extschema@.zset_of(key bytea, db integer, OUT rank bigint, OUT member text,
	OUT member_bytes bytea, OUT score double precision)
	RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'pgfirst_kv_zset_of';
COMMENT ON FUNCTION @extschema@.zset_of(bytea, integer) IS 'Behind the view zset_members.';
CREATE VIEW @extschema@.zset_members AS
SELECT k.db, k.key, e.rank, e.member, e.score, k.key_bytes, e.member_bytes
FROM @extschema@.live_keys() k, LATERAL @extschema@.zset_of(k.key_bytes, k.db) e
WHERE k.type = 'zset';
COMMENT ON VIEW @extschema@.zset_members IS
'Every member of every sorted set of the current user''s tenant, in databases that it may read, each sorted set as of one moment: database, key, rank from 0, member (NULL where it or the key is not valid UTF-8), score, and the bytes of both.';
GRANT SELECT ON @extschema@.zset_members TO PUBLIC;

-- ---- streams --------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.xadd(key text, field text, value text, db integer DEFAULT 0,
	id text DEFAULT '*') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xadd';
CREATE FUNCTION @extschema@.xadd(key text, field text, value bytea, db integer DEFAULT 0,
	id text DEFAULT '*') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xadd';
CREATE FUNCTION @extschema@.xadd(key bytea, field bytea, value bytea, db integer DEFAULT 0,
	id text DEFAULT '*') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xadd';
CREATE FUNCTION @extschema@.xadd(key text, fields text[], field_values text[], db integer DEFAULT 0,
	id text DEFAULT '*') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xadd';
CREATE FUNCTION @extschema@.xadd(key text, fields text[], field_values bytea[], db integer DEFAULT 0,
	id text DEFAULT '*') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xadd';
CREATE FUNCTION @extschema@.xadd(key bytea, fields bytea[], field_values bytea[], db integer DEFAULT 0,
	id text DEFAULT '*') RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xadd';
COMMENT ON FUNCTION @extschema@.xadd(text, text, text, integer, text) IS
'Adds an entry of one field to a stream, at commit, with the ID that the clock gives, or this one, which must be higher than all before it. Returns the ID.';
COMMENT ON FUNCTION @extschema@.xadd(text, text, bytea, integer, text) IS
'Adds an entry of one field to a stream, at commit, with the ID that the clock gives, or this one, which must be higher than all before it. Returns the ID.';
COMMENT ON FUNCTION @extschema@.xadd(bytea, bytea, bytea, integer, text) IS
'Adds an entry of one field to a stream, at commit, with the ID that the clock gives, or this one, which must be higher than all before it. Returns the ID.';
COMMENT ON FUNCTION @extschema@.xadd(text, text[], text[], integer, text) IS
'Adds an entry to a stream, at commit: fields, and the values in the same places; with the ID that the clock gives, or this one, which must be higher than all before it. Returns the ID.';
COMMENT ON FUNCTION @extschema@.xadd(text, text[], bytea[], integer, text) IS
'Adds an entry to a stream, at commit: fields, and the values in the same places; with the ID that the clock gives, or this one, which must be higher than all before it. Returns the ID.';
COMMENT ON FUNCTION @extschema@.xadd(bytea, bytea[], bytea[], integer, text) IS
'Adds an entry to a stream, at commit: fields, and the values in the same places; with the ID that the clock gives, or this one, which must be higher than all before it. Returns the ID.';

CREATE FUNCTION @extschema@.xlen(key text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_xlen';
CREATE FUNCTION @extschema@.xlen(key bytea, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_xlen';
COMMENT ON FUNCTION @extschema@.xlen(text, integer) IS
'How many entries a stream has; 0 if there is none.';
COMMENT ON FUNCTION @extschema@.xlen(bytea, integer) IS
'How many entries a stream has; 0 if there is none.';

CREATE FUNCTION @extschema@.xrange(key text, start text, stop text, db integer DEFAULT 0,
	rev boolean DEFAULT false, count bigint DEFAULT -1, OUT id text, OUT fields bytea[], OUT field_values bytea[]) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_xrange';
CREATE FUNCTION @extschema@.xrange(key bytea, start text, stop text, db integer DEFAULT 0,
	rev boolean DEFAULT false, count bigint DEFAULT -1, OUT id text, OUT fields bytea[], OUT field_values bytea[]) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'pgfirst_kv_xrange';
COMMENT ON FUNCTION @extschema@.xrange(text, text, text, integer, boolean, bigint) IS
'Entries of a stream with IDs from start to stop in their order, backwards if rev, as of one moment; both included, an ID behind ( not, - and + are the lowest and the highest. Returns the first count of them, all if that is negative.';
COMMENT ON FUNCTION @extschema@.xrange(bytea, text, text, integer, boolean, bigint) IS
'Entries of a stream with IDs from start to stop in their order, backwards if rev, as of one moment; both included, an ID behind ( not, - and + are the lowest and the highest. Returns the first count of them, all if that is negative.';

CREATE FUNCTION @extschema@.xdel(key text, id text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xdel';
CREATE FUNCTION @extschema@.xdel(key bytea, id text, db integer DEFAULT 0) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xdel';
CREATE FUNCTION @extschema@.xdel(key text, ids text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xdel_many';
CREATE FUNCTION @extschema@.xdel(key bytea, ids text[], db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xdel_many';
COMMENT ON FUNCTION @extschema@.xdel(text, text, integer) IS
'Deletes an entry of a stream, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.xdel(bytea, text, integer) IS
'Deletes an entry of a stream, at commit. Returns whether it was there.';
COMMENT ON FUNCTION @extschema@.xdel(text, text[], integer) IS
'Deletes entries of a stream, at commit. Returns how many of them were there.';
COMMENT ON FUNCTION @extschema@.xdel(bytea, text[], integer) IS
'Deletes entries of a stream, at commit. Returns how many of them were there.';

CREATE FUNCTION @extschema@.xtrim(key text, maxlen bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xtrim';
CREATE FUNCTION @extschema@.xtrim(key bytea, maxlen bigint, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xtrim';
CREATE FUNCTION @extschema@.xtrim(key text, minid text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xtrim_minid';
CREATE FUNCTION @extschema@.xtrim(key bytea, minid text, db integer DEFAULT 0) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_xtrim_minid';
COMMENT ON FUNCTION @extschema@.xtrim(text, bigint, integer) IS
'Deletes the first entries of a stream, at commit, so that no more than maxlen are left. Returns how many it deleted.';
COMMENT ON FUNCTION @extschema@.xtrim(bytea, bigint, integer) IS
'Deletes the first entries of a stream, at commit, so that no more than maxlen are left. Returns how many it deleted.';
COMMENT ON FUNCTION @extschema@.xtrim(text, text, integer) IS
'Deletes the entries of a stream with IDs lower than minid, at commit. Returns how many it deleted.';
COMMENT ON FUNCTION @extschema@.xtrim(bytea, text, integer) IS
'Deletes the entries of a stream with IDs lower than minid, at commit. Returns how many it deleted.';

CREATE FUNCTION @extschema@.stream_of(key bytea, db integer, OUT id text, OUT fields text[],
	OUT field_values text[], OUT fields_bytes bytea[], OUT field_values_bytes bytea[])
	RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED ROWS 100 AS 'MODULE_PATHNAME', 'pgfirst_kv_stream_of';
COMMENT ON FUNCTION @extschema@.stream_of(bytea, integer) IS 'Behind the view stream_entries.';
CREATE VIEW @extschema@.stream_entries AS
SELECT k.db, k.key, e.id, e.fields, e.field_values, k.key_bytes, e.fields_bytes, e.field_values_bytes
FROM @extschema@.live_keys() k, LATERAL @extschema@.stream_of(k.key_bytes, k.db) e
WHERE k.type = 'stream';
COMMENT ON VIEW @extschema@.stream_entries IS
'Every entry of every stream of the current user''s tenant, in databases that it may read, each stream as of one moment: database, key, ID, fields and their values (NULL where they or the key are not valid UTF-8), and the bytes of these.';
GRANT SELECT ON @extschema@.stream_entries TO PUBLIC;

-- ---- messages -------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.publish(channel text, message text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_publish';
CREATE FUNCTION @extschema@.publish(channel text, message bytea) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_publish';
CREATE FUNCTION @extschema@.publish(channel bytea, message bytea) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'pgfirst_kv_publish';
COMMENT ON FUNCTION @extschema@.publish(text, text) IS
'Sends a message, at commit, to the clients of the Redis door that have subscribed to the channel, or to a pattern that it matches, and are of the current user''s tenant.';
COMMENT ON FUNCTION @extschema@.publish(text, bytea) IS
'Sends a message, at commit, to the clients of the Redis door that have subscribed to the channel, or to a pattern that it matches, and are of the current user''s tenant.';
COMMENT ON FUNCTION @extschema@.publish(bytea, bytea) IS
'Sends a message, at commit, to the clients of the Redis door that have subscribed to the channel, or to a pattern that it matches, and are of the current user''s tenant.';
-- ---- upkeep ---------------------------------------------------------------------------------

CREATE FUNCTION @extschema@.check(INOUT db integer DEFAULT NULL, IN wait boolean DEFAULT true,
	OUT block bigint, OUT problem text) RETURNS SETOF record
	LANGUAGE c VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE COST 1000000 ROWS 1
	AS 'MODULE_PATHNAME', 'pgfirst_kv_check';
COMMENT ON FUNCTION @extschema@.check(integer, boolean) IS
'Holds the pages of one database (NULL: of all) against what must be so: a row for each thing that is wrong, no row if nothing is. Keeps writers waiting meanwhile; with wait => false it fails instead of waiting for them.';
-- Reads a whole database and keeps its writers out: for administrators.
REVOKE ALL ON FUNCTION @extschema@.check(integer, boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.store_space(OUT db integer, OUT blocks bigint, OUT bytes bigint,
	OUT live_bytes bigint, OUT free_bytes bigint, OUT garbage_bytes bigint, OUT overhead_bytes bigint,
	OUT records bigint, OUT large_records bigint, OUT free_pages bigint, OUT depth integer)
	RETURNS SETOF record LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED COST 1000000 ROWS 4
	AS 'MODULE_PATHNAME', 'pgfirst_kv_store_space';
COMMENT ON FUNCTION @extschema@.store_space() IS 'Behind the view space.';
-- Reads every page of every database, and counts other tenants' keys: for administrators.
REVOKE ALL ON FUNCTION @extschema@.store_space() FROM PUBLIC;
CREATE VIEW @extschema@.space AS SELECT * FROM @extschema@.store_space();
COMMENT ON VIEW @extschema@.space IS
'What the file of each database is filled with: bytes = live + free + garbage + overhead. Reads every page.';
REVOKE ALL ON @extschema@.space FROM PUBLIC;
