//! Which database is behind a driver.

/// Packages of drivers, and `db.system.name`. A driver's type is in its package or in one below it.
const PACKAGES: [(&str, &str); 33] = [
    ("github.com/lib/pq", "postgresql"),
    ("github.com/jackc/pgx", "postgresql"),
    ("github.com/go-pg/pg", "postgresql"),
    ("github.com/uptrace/bun/driver/pgdriver", "postgresql"),
    ("gorm.io/driver/postgres", "postgresql"),
    ("github.com/go-sql-driver/mysql", "mysql"),
    ("github.com/go-mysql-org/go-mysql", "mysql"),
    ("github.com/ziutek/mymysql", "mysql"),
    ("modernc.org/sqlite", "sqlite"),
    ("github.com/mattn/go-sqlite3", "sqlite"),
    ("github.com/ncruces/go-sqlite3", "sqlite"),
    ("github.com/glebarez/go-sqlite", "sqlite"),
    ("github.com/mutecomm/go-sqlcipher", "sqlite"),
    ("github.com/microsoft/go-mssqldb", "microsoft.sql_server"),
    ("github.com/denisenkom/go-mssqldb", "microsoft.sql_server"),
    ("github.com/sijms/go-ora", "oracle.db"),
    ("github.com/godror/godror", "oracle.db"),
    ("github.com/mattn/go-oci8", "oracle.db"),
    ("github.com/ClickHouse/clickhouse-go", "clickhouse"),
    ("github.com/mailru/go-clickhouse", "clickhouse"),
    ("github.com/SAP/go-hdb", "sap.hana"),
    ("github.com/ibmdb/go_ibm_db", "ibm.db2"),
    ("github.com/nakagami/firebirdsql", "firebirdsql"),
    ("github.com/trinodb/trino-go-client", "trino"),
    ("github.com/prestodb/presto-go-client", "presto"),
    ("github.com/snowflakedb/gosnowflake", "snowflake"),
    ("github.com/databricks/databricks-sql-go", "databricks"),
    ("github.com/googleapis/go-sql-spanner", "gcp.spanner"),
    ("github.com/vertica/vertica-sql-go", "vertica"),
    ("github.com/marcboeker/go-duckdb", "duckdb"),
    ("github.com/duckdb/duckdb-go", "duckdb"),
    ("github.com/tursodatabase/libsql-client-go", "sqlite"),
    ("github.com/taosdata/driver-go", "tdengine"),
];

/// The conventions' name for a database of which only that is known.
const OTHER: &str = "other_sql";

/// By the type of a connector or a driver, with its package's full path. `more` comes first: types, with or without their star, or
/// packages.
pub fn system<'a>(driver: &str, more: &'a [(String, String)]) -> &'a str {
    let driver = driver.trim_start_matches('*');
    if let Some((_, system)) = more.iter().find(|(name, _)| is_within(driver, name.trim_start_matches('*'))) {
        return system;
    }
    PACKAGES.iter().find(|(package, _)| is_within(driver, package)).map_or(OTHER, |(_, system)| *system)
}

/// Whether a type is this one, or in this package, or in one below it.
fn is_within(name: &str, outer: &str) -> bool {
    name.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '/']))
}
