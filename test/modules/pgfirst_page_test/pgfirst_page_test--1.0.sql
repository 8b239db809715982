-- SPDX-License-Identifier: PostgreSQL
-- Pages of a relation as they stand in shared buffers, read and damaged without a restart.

CREATE FUNCTION get(relation regclass, block bigint) RETURNS bytea
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'page_test_get';
-- Nothing of it is logged.
CREATE FUNCTION put(relation regclass, block bigint, page bytea) RETURNS void
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'page_test_put';

-- The sound pages, and back to them; what the file has grown by since is zero again.
CREATE UNLOGGED TABLE saved (relation regclass, block bigint, page bytea, PRIMARY KEY (relation, block));
CREATE FUNCTION save(store regclass) RETURNS bigint LANGUAGE sql AS $$
	DELETE FROM page_test.saved WHERE relation = store;
	INSERT INTO page_test.saved SELECT store, n, page_test.get(store, n)
	FROM generate_series(0, pg_relation_size(store) / 8192 - 1) n;
	SELECT count(*) FROM page_test.saved WHERE relation = store;
$$;
CREATE FUNCTION restore(store regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(page_test.put(store, n, coalesce(s.page, decode(repeat('00', 8192), 'hex'))))
	FROM generate_series(0, pg_relation_size(store) / 8192 - 1) n
	LEFT JOIN page_test.saved s ON s.relation = store AND s.block = n;
$$;
-- Each pair says which byte becomes which.
CREATE FUNCTION damage(store regclass, target bigint, bytes integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	image bytea := (SELECT page FROM page_test.saved WHERE relation = store AND block = target);
BEGIN
	FOR i IN 1 .. array_length(bytes, 1) / 2 LOOP
		image := set_byte(image, bytes[2 * i - 1], bytes[2 * i]);
	END LOOP;
	PERFORM page_test.put(store, target, image);
END $$;
