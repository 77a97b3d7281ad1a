-- The two roles of a deployment, once, by an administrator of the database `htc`. Safe to run again.
--
--   psql -d htc -v owner_password=... -v app_password=... -f deploy/roles.sql
--
-- htc_owner owns the tables and migrates; htc_app is the service and its workers, which read and write rows.
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE htc_owner LOGIN' WHERE to_regrole('htc_owner') IS NULL \gexec
SELECT 'CREATE ROLE htc_app LOGIN' WHERE to_regrole('htc_app') IS NULL \gexec
ALTER ROLE htc_owner PASSWORD :'owner_password';
ALTER ROLE htc_app PASSWORD :'app_password';

-- Only the owner makes tables; whatever a later migration makes, the service may use at once.
GRANT CREATE, USAGE ON SCHEMA public TO htc_owner;
GRANT USAGE ON SCHEMA public TO htc_app;
GRANT htc_owner TO CURRENT_USER;
ALTER DEFAULT PRIVILEGES FOR ROLE htc_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO htc_app;
ALTER DEFAULT PRIVILEGES FOR ROLE htc_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO htc_app;

-- A materialized view is refreshed by its owner, who lends the service a function that does this and nothing else.
-- It may be made before the view is. From PostgreSQL 17 on there is a privilege for it.
CREATE SCHEMA IF NOT EXISTS htc_upkeep AUTHORIZATION htc_owner;
CREATE OR REPLACE FUNCTION htc_upkeep.refresh_top_superconductors(gradually boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF gradually THEN REFRESH MATERIALIZED VIEW CONCURRENTLY public.top_superconductors;
    ELSE REFRESH MATERIALIZED VIEW public.top_superconductors;
    END IF;
END $$;
ALTER FUNCTION htc_upkeep.refresh_top_superconductors(boolean) OWNER TO htc_owner;
REVOKE ALL ON FUNCTION htc_upkeep.refresh_top_superconductors(boolean) FROM PUBLIC;
GRANT USAGE ON SCHEMA htc_upkeep TO htc_app;
GRANT EXECUTE ON FUNCTION htc_upkeep.refresh_top_superconductors(boolean) TO htc_app;
SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE htc_owner IN SCHEMA public GRANT MAINTAIN ON TABLES TO htc_app'
WHERE current_setting('server_version_num')::int >= 170000 \gexec
