\echo Use "CREATE EXTENSION pgfirst_store" to load this file. \quit

CREATE FUNCTION @extschema@.handler(internal) RETURNS table_am_handler
	LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'pgfirst_store_handler';
COMMENT ON FUNCTION @extschema@.handler(internal) IS 'Handler of the table access method pgfirst_store.';

CREATE ACCESS METHOD pgfirst_store TYPE TABLE HANDLER @extschema@.handler;
COMMENT ON ACCESS METHOD pgfirst_store IS
'Records changed in place, in two versions, without dead rows: the tables behind kv.';
