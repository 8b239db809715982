\echo Use "CREATE EXTENSION pgfirst CASCADE" to load this file. \quit

-- Has no objects of its own: its control file names the extensions that belong together.
