-- SPDX-License-Identifier: PostgreSQL
--
-- sessions.sql: who is signed in, in SQL. For the database in which both the application's tables and
-- the Redis door are, as the application's role:
--
--     psql "$DATABASE_URL" -f examples/facility/sessions.sql
--
-- Django keeps a session under KEY_PREFIX:VERSION:django.contrib.sessions.cacheSESSIONID, here as JSON,
-- because settings.py says so. A session's id is all that a browser needs to be that person: only the
-- first of the three shows it.

CREATE OR REPLACE VIEW session_record AS
-- Materialized, so that nothing but a session is ever taken for JSON.
WITH found AS MATERIALIZED (
	SELECT k.key, k.expires_at
	FROM kv.keys AS k
	WHERE k.db = 3 AND starts_with(k.key, (
		SELECT current_database() || '.' || n.nspname || ':1:django.contrib.sessions.cache'
		FROM pg_catalog.pg_class AS t JOIN pg_catalog.pg_namespace AS n ON n.oid = t.relnamespace
		WHERE t.oid = 'auth_user'::regclass))
)
SELECT key, expires_at, kv.get_text(key, db => 3)::jsonb AS session
FROM found;

COMMENT ON VIEW session_record IS 'the sessions of the installation whose tables are in this schema: key, expiry, payload';

CREATE OR REPLACE VIEW signed_in AS
SELECT u.username, p.name, c.name AS customer, r.session ->> 'table' AS looked_at, r.expires_at
FROM session_record AS r
	JOIN auth_user AS u ON u.id = (r.session ->> '_auth_user_id')::int
	LEFT JOIN assets_person AS p ON p.user_id = u.id
	LEFT JOIN assets_customer AS c ON c.id = p.customer_id;

COMMENT ON VIEW signed_in IS 'who is signed in, until when, and which part of the asset table was seen last';

CREATE OR REPLACE FUNCTION sign_out(who text) RETURNS bigint
LANGUAGE sql VOLATILE STRICT
BEGIN ATOMIC
	SELECT count(*) FILTER (WHERE kv.del(r.key, db => 3))
	FROM session_record AS r
		JOIN auth_user AS u ON u.id = (r.session ->> '_auth_user_id')::int
	WHERE u.username = who;
END;

COMMENT ON FUNCTION sign_out(text) IS 'ends every session of this user, if the transaction commits; returns how many there were';
