-- kv.grant, kv.revoke, kv.grants, kv.set_tenant, kv.tenant: what a role may do, and whose keys it reaches.
--
-- Seen to fail: kv_access_enter() that does not ask; kv_access_levels() that takes every row for its own, or none of
-- a role that it is a member of; catalog_changed missing on `access`; access_mine() that does not compare the
-- role; kv_space_open() that opens tenant 0; pgfirst_kv_keys() that does not ask kv_access_may_read().
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION pgfirst CASCADE;
RESET client_min_messages;
DO $$
BEGIN
	FOR i IN 1..600 LOOP
		EXIT WHEN (SELECT count(*) = 4 FROM kv.database);
		PERFORM pg_sleep(0.05);
		COMMIT;
	END LOOP;
END
$$;
CREATE ROLE regress_kv_reader;
CREATE ROLE regress_kv_group;
CREATE ROLE regress_kv_member IN ROLE regress_kv_group;
CREATE ROLE "regress_kv 'Odd'";
GRANT USAGE ON SCHEMA kv TO regress_kv_reader, regress_kv_member, "regress_kv 'Odd'";
SELECT kv.set('k', 'v'), kv.set('k', 'v2', db => 2);

-- ---- USAGE alone reads and writes ---------------------------------------------------------------
SELECT * FROM kv.grants ORDER BY role, db;
SET ROLE regress_kv_reader;
SELECT kv.get_text('k'), kv.set('mine', 'x'), kv.del('mine');
SELECT * FROM kv.grants ORDER BY role, db;
RESET ROLE;

-- ---- until that is revoked ----------------------------------------------------------------------
SELECT kv.revoke('public', NULL);
SELECT * FROM kv.grants;
SET ROLE regress_kv_reader;
\set VERBOSITY default
SELECT kv.get('k');
SELECT kv.set('k', 'x', db => 2);
\set VERBOSITY terse
SELECT kv.get_text('k');
SELECT kv.del('k');
SELECT * FROM kv.keys;
RESET ROLE;
SELECT kv.get_text('k') AS superuser_may;
SET ROLE "regress_kv 'Odd'";
\set VERBOSITY default
SELECT kv.get('k');
\set VERBOSITY terse
RESET ROLE;

-- ---- levels -------------------------------------------------------------------------------------
SELECT kv.grant('regress_kv_reader', 0, 'read');
SET ROLE regress_kv_reader;
SELECT kv.get_text('k');
SELECT db, key FROM kv.keys;
SELECT kv.may(0), kv.may(0, 'write'), kv.may(2), kv.may(9, 'admin');
SELECT kv.may(0, 'own');
SELECT kv.may(16);
SELECT kv.set('k', 'x');
SELECT kv.del('k');
SELECT kv.get('k', 2);
SELECT role, db, level FROM kv.grants;
RESET ROLE;
SELECT kv.grant('regress_kv_reader', 0, 'admin'), kv.grant('regress_kv_reader', 0, 'read');
SELECT level AS not_lowered FROM kv.grants;
SELECT kv.revoke('regress_kv_reader', 0, 'admin');
SELECT level AS write_remains FROM kv.grants;
SET ROLE regress_kv_reader;
SELECT kv.set('k', 'v');
RESET ROLE;
SELECT kv.revoke('regress_kv_reader', 0, 'write');
SET ROLE regress_kv_reader;
SELECT kv.set('k', 'x');
SELECT kv.get_text('k');
RESET ROLE;
SELECT kv.revoke('regress_kv_reader', 0);
SELECT count(*) FROM kv.grants;

-- all databases, those included that are made later
SELECT kv.grant('regress_kv_reader', NULL, 'read');
SELECT kv.create_database(7);
SELECT kv.revoke('public', 7);
SET ROLE regress_kv_reader;
SELECT kv.get('k', 7), kv.get_text('k', 2);
SELECT kv.set('k', 'x', db => 7);
RESET ROLE;
\set VERBOSITY default
SELECT kv.revoke('regress_kv_reader', 2);
\set VERBOSITY terse
SELECT kv.revoke('regress_kv_reader', NULL, 'read');
SELECT count(*) FROM kv.grants;

-- ---- membership ---------------------------------------------------------------------------------
SELECT kv.grant('regress_kv_group', 0, 'write');
SET ROLE regress_kv_member;
SELECT kv.set('k', 'v'), kv.get_text('k');
SELECT * FROM kv.grants;
RESET ROLE;
ALTER ROLE regress_kv_member NOINHERIT;
REVOKE regress_kv_group FROM regress_kv_member;
SET ROLE regress_kv_member;
SELECT kv.get('k');
RESET ROLE;
GRANT regress_kv_group TO regress_kv_member;
ALTER ROLE regress_kv_member INHERIT;

-- ---- a grant is a change like others ------------------------------------------------------------
BEGIN;
SELECT kv.grant('regress_kv_reader', 0, 'read');
SET LOCAL ROLE regress_kv_reader;
SELECT kv.get_text('k');
ROLLBACK;
SET ROLE regress_kv_reader;
SELECT kv.get_text('k');
RESET ROLE;
BEGIN;
SELECT kv.grant('regress_kv_reader', 0, 'read');
SAVEPOINT one;
SELECT kv.revoke('regress_kv_reader', 0);
SET LOCAL ROLE regress_kv_reader;
SELECT kv.get_text('k');
ROLLBACK TO one;
SET LOCAL ROLE regress_kv_reader;
SELECT kv.get_text('k');
ROLLBACK;

-- A function of somebody else's acts as that one.
CREATE FUNCTION pg_temp.as_owner() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$SELECT kv.get_text('k')$$;
SET ROLE regress_kv_reader;
SELECT pg_temp.as_owner();
RESET ROLE;

-- ---- what is wrong ------------------------------------------------------------------------------
\set VERBOSITY default
SELECT kv.grant('regress_kv_nobody', 0, 'read');
SELECT kv.grant(NULL, 0, 'read');
SELECT kv.grant('regress_kv_reader', 16, 'read');
SELECT kv.grant('regress_kv_reader', -1, 'read');
SELECT kv.grant('regress_kv_reader', 0, 'everything');
SELECT kv.grant('regress_kv_reader', 0, NULL);
SELECT kv.revoke('regress_kv_reader', 0, 'all');
SELECT kv.set_tenant('public', 1);
SELECT kv.set_tenant('regress_kv_reader', -1);
SELECT kv.set_tenant('regress_kv_reader', NULL);
\set VERBOSITY terse
SET ROLE regress_kv_reader;
SELECT kv.grant('regress_kv_reader', 0, 'admin');
SELECT kv.revoke('public', 0, 'read');
SELECT kv.set_tenant('regress_kv_reader', 7);
SELECT * FROM kv.access;
SELECT * FROM kv.tenancy;
SELECT kv.access_role('public');
SELECT kv.access_check(0, 'read');
RESET ROLE;

-- ---- tenants ------------------------------------------------------------------------------------
SELECT kv.grant('public', NULL, 'write');
SELECT kv.set_tenant('regress_kv_member', 7);
SET ROLE regress_kv_member;
SELECT kv.tenant(), kv.get('k') IS NULL AS others, (SELECT count(*) FROM kv.keys) AS keys;
SELECT kv.set('k', 'seven', nx => true), kv.get_text('k'), kv.set('only', '7');
SELECT db, key, bytes FROM kv.keys ORDER BY key;
SET ROLE regress_kv_reader;
SELECT kv.tenant(), kv.get_text('k'), kv.get('only') IS NULL AS others, kv.del('only');
SET pgfirst.tenant = 7;
SELECT set_config('pgfirst.tenant', '7', false);
RESET ROLE;
SELECT kv.tenant(), kv.get_text('k'), (SELECT count(*) FROM kv.keys WHERE key = 'only');
SET pgfirst.tenant = 7;
SELECT kv.tenant(), kv.get_text('k'), kv.del('k'), kv.get('k') IS NULL AS gone;
SET pgfirst.tenant = 0;
SELECT kv.tenant(), kv.get_text('k');
RESET pgfirst.tenant;
SET ROLE regress_kv_member;
SELECT kv.get('k') IS NULL AS gone, kv.get_text('only');
RESET ROLE;
SET pgfirst.tenant = -2;
ALTER SYSTEM SET pgfirst.tenant = 7;

-- Of two tenants in one transaction each has its own, and a rollback takes both back.
BEGIN;
SELECT kv.set('both', 'zero');
SET LOCAL ROLE regress_kv_member;
SELECT kv.set('both', 'seven'), kv.get_text('both');
SAVEPOINT one;
SELECT kv.set('both', 'changed');
ROLLBACK TO one;
SELECT kv.get_text('both');
RESET ROLE;
SELECT kv.get_text('both');
COMMIT;
SELECT kv.get_text('both');
SET ROLE regress_kv_member;
SELECT kv.get_text('both'), kv.tenant();
RESET ROLE;
SELECT tenant, convert_from(key, 'UTF8') AS key FROM kv.database_0 ORDER BY tenant, key;
SELECT * FROM kv.check();
SELECT kv.set_tenant('regress_kv_member', 0);
SELECT count(*) AS tenancies FROM kv.tenancy;
SET ROLE regress_kv_member;
SELECT kv.tenant(), kv.get_text('k');
RESET ROLE;

-- ---- dropped roles ------------------------------------------------------------------------------
REVOKE USAGE ON SCHEMA kv FROM regress_kv_reader, regress_kv_member, "regress_kv 'Odd'";
SELECT kv.set_tenant('regress_kv_reader', 3);
DROP ROLE regress_kv_group, regress_kv_member, regress_kv_reader, "regress_kv 'Odd'";
SELECT * FROM kv.grants;
CREATE ROLE regress_kv_next;
SELECT kv.grant('regress_kv_next', 1, 'read'), kv.set_tenant('regress_kv_next', 1);
SELECT grantee, number, level FROM kv.access;
SELECT * FROM kv.tenancy;
DROP ROLE regress_kv_next;

DROP EXTENSION pgfirst_kv CASCADE;
DROP SCHEMA kv CASCADE;
DROP EXTENSION pgfirst_store;
