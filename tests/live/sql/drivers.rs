//! Drivers with error types and connectors of their own kind: SQLite in C, and SQL Server's, which talks to a stand-in that speaks TDS.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use uprobed_tests::databases::DATABASE;
use uprobed_tests::process::{Running, free_port};
use uprobed_tests::programs::{NEWEST, OLDEST, Program};
use uprobed_tests::scene::Scene;

use super::{START, Server, Shop, exact, finish, read, start};

/// With every driver linked.
const SQLITE: Program = Program::new("go-sql-cgo").flags(&["-tags=everything"]);
const SQLITE_OLD_STRIPPED: Program = SQLITE.go(OLDEST).flags(&["-modfile=old.mod", "-ldflags=-s -w"]);

const SQL_SERVER: Program = Program::new("go-sql-mssql");
const SQL_SERVER_NEWEST_STRIPPED: Program = SQL_SERVER.go(NEWEST).flags(&["-ldflags=-s -w"]);
const SQL_SERVER_MIDDLE: Program = SQL_SERVER.go("go1.22.12").flags(&["-modfile=middle.mod"]);
const SQL_SERVER_OLD_STRIPPED: Program =
    SQL_SERVER.go(OLDEST).flags(&["-modfile=old.mod", "-tags=denisenkom", "-ldflags=-s -w"]);
const STAND_IN: Program = Program::new("go-sql-mssql/server");

/// Constraint violated, no such table or syntax error, and a file that another process has locked.
const SQLITE_CODES: [&str; 3] = ["1555", "1", "5"];
/// The same, as SQL Server numbers its errors, without a lock.
const SQL_SERVER_CODES: [&str; 3] = ["2627", "208", "102"];

#[test]
fn counts_every_call_to_sqlite_in_c() -> Result<()> {
    let scene = Scene::new("sql-sqlite-c")?;
    let file = |name: &str| format!("file:{}", scene.file(&format!("{name}.db")).display());
    let shop = |name, program, dsn, down| Shop { name, program, driver: "sqlite3", dsn, down, connections: 1 };
    // It writes once and keeps its lock: whoever else comes is told that the database is busy.
    let owner = shop("owner", &SQLITE, file("locked") + "?_locking=EXCLUSIVE", String::new());
    let _owner = start(&owner, &scene.file("owner.journal"))?;
    for (name, program) in [("sqlite-c-old-stripped", &SQLITE_OLD_STRIPPED), ("sqlite-c", &SQLITE)] {
        let shop = shop(name, program, file(name), file("locked") + "?_busy_timeout=1");
        exact(&scene, &shop, &Server::new("sqlite", None, None))?;
        made(&scene, name, &SQLITE_CODES)?;
    }
    finish(scene)
}

#[test]
fn counts_every_call_to_a_stand_in_for_sql_server() -> Result<()> {
    let scene = Scene::new("sql-server")?;
    let (_server, address) = Running::listening(&mut Command::new(STAND_IN.build()?), START)?;
    let port = address.rsplit(':').next().and_then(|digits| digits.parse().ok()).context("a port")?;
    // Since 1.10.0 the driver hands out connectors, which know the server before there is a connection.
    for (name, program, encrypt, is_known_down) in [
        ("mssql-old-stripped", &SQL_SERVER_OLD_STRIPPED, "true", false),
        ("mssql-middle", &SQL_SERVER_MIDDLE, "disable", false),
        ("mssql-newest-stripped", &SQL_SERVER_NEWEST_STRIPPED, "true", true),
    ] {
        let nobody = free_port()?;
        let rest = format!("?database={DATABASE}&encrypt={encrypt}&trustServerCertificate=true");
        let [dsn, down] = [port, nobody].map(|port: u16| format!("sqlserver://sa:secret@127.0.0.1:{port}{rest}"));
        let shop = Shop { name, program, driver: "sqlserver", dsn, down, connections: 8 };
        let server = Server::new("microsoft.sql_server", Some(port), Some(nobody));
        // Below TLS the socket is not found.
        let server = Server { is_known_down, has_peer: encrypt == "disable", ..server };
        exact(&scene, &shop, &server)?;
        made(&scene, name, &SQL_SERVER_CODES)?;
    }
    finish(scene)
}

/// Whether the calls of a shop were answered with each of these codes.
fn made(scene: &Scene, name: &str, codes: &[&str]) -> Result<()> {
    let calls = read(&scene.file(&format!("{name}.journal")))?;
    for code in codes {
        ensure!(calls.iter().any(|call| call.code == *code), "{name}: no call was answered with {code}");
    }
    Ok(())
}
