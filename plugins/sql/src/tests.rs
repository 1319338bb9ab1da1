//! What the hits of each probe are turned into, as rows.

use expect_test::{Expect, expect};
use uprobed_sdk::testing::{Batch, Copied, target, with_setting};

use super::{Sql, systems};

const GO: &str = "go1.26.8";
const PQ: (&str, Copied<'_>) = ("driver", Copied::Bytes(b"*github.com/lib/pq.Driver"));
const SETTINGS: [(&str, &str); 0] = [];

fn check(settings: &[(&str, &str)], hits: &[(&str, &[(&str, Copied<'_>)])], expected: Expect) {
    let target = settings.iter().fold(target(GO), |target, (key, value)| with_setting(target, key, value));
    let mut batch = Batch::new::<Sql>(&target);
    for (probe, copied) in hits {
        batch.hit(probe, copied);
    }
    expected.assert_eq(&batch.decoded::<Sql>(&target));
}

#[test]
fn says_what_is_asked() {
    let statement = |text| ("statement", Copied::from(text));
    check(
        &SETTINGS,
        &[
            ("query", &[PQ, statement("SELECT * FROM items WHERE name = 'secret'")]),
            ("exec in a transaction", &[PQ, statement("INSERT INTO a SELECT * FROM b")]),
            ("prepare", &[PQ, statement("SELECT * FROM items WHERE id = $1")]),
            ("exec a statement", &[PQ, statement("CALL transfer($1)")]),
            ("query", &[PQ, statement("'secret'")]),
            ("query", &[PQ, ("statement", Copied::Cut(b"SELECT a FROM b WHERE c = 'secr"))]),
            ("prepare", &[PQ, ("statement", Copied::Unreadable)]),
            ("query", &[]),
        ],
        expect![[r#"
            Kind::Client "SELECT items" Status::Unset db.system.name=postgresql db.query.text=SELECT * FROM items WHERE name = ? db.operation.name=SELECT db.collection.name=items db.query.summary=SELECT items
            Kind::Client "INSERT a SELECT b" Status::Unset db.system.name=postgresql db.query.text=INSERT INTO a SELECT * FROM b db.query.summary=INSERT a SELECT b
            Kind::Client "PREPARE SELECT items" Status::Unset db.system.name=postgresql db.query.text=SELECT * FROM items WHERE id = $1 db.operation.name=PREPARE db.collection.name=items db.query.summary=PREPARE SELECT items
            Kind::Client "CALL transfer" Status::Unset db.system.name=postgresql db.query.text=CALL transfer($1) db.operation.name=CALL db.stored_procedure.name=transfer db.query.summary=CALL transfer
            Kind::Client "postgresql" Status::Unset db.system.name=postgresql db.query.text=?
            Kind::Client "SELECT b" Status::Unset db.system.name=postgresql db.query.text=SELECT a FROM b WHERE c = … db.query.summary=SELECT b
            Kind::Client "PREPARE" Status::Unset db.system.name=postgresql
            Kind::Client "other_sql" Status::Unset db.system.name=other_sql
        "#]],
    );
}

#[test]
fn says_what_needs_no_statement() {
    let namespace = ("namespace", "shop".into());
    check(
        &SETTINGS,
        &[
            ("begin", &[PQ]),
            ("connection of a begin", &[namespace, ("host", "db.example".into()), ("port", 5432.into())]),
            ("ping", &[PQ]),
            ("connection of a ping", &[("host", "db.example".into()), ("port_text", "5432".into())]),
            ("connection of a ping", &[("host", "/run/postgresql".into()), ("port", 5432.into())]),
            ("commit", &[PQ, namespace]),
            ("rollback", &[PQ]),
        ],
        expect![[r#"
            Kind::Client "BEGIN" Status::Unset db.system.name=postgresql db.operation.name=BEGIN
            Kind::Unset "BEGIN shop" Status::Unset server.address=db.example server.port=5432 db.namespace=shop
            Kind::Client "PING" Status::Unset db.system.name=postgresql db.operation.name=PING
            Kind::Unset "PING db.example:5432" Status::Unset server.address=db.example server.port=5432
            Kind::Unset "PING /run/postgresql" Status::Unset server.address=/run/postgresql
            Kind::Client "COMMIT shop" Status::Unset db.system.name=postgresql db.operation.name=COMMIT db.namespace=shop
            Kind::Client "ROLLBACK" Status::Unset db.system.name=postgresql db.operation.name=ROLLBACK
        "#]],
    );
}

#[test]
fn says_where_the_database_is() {
    let peer: [(&str, Copied<'_>); 2] =
        [("peer_address", Copied::Bytes(&[127, 0, 0, 1])), ("peer_port", Copied::Word(3306))];
    let mysql = ("driver", "*github.com/go-sql-driver/mysql.connector".into());
    check(
        &SETTINGS,
        &[
            ("ping", &[mysql, ("address", "db.example:3306".into()), ("namespace", "shop".into())]),
            ("ping", &[mysql, ("address", "[::1]:3306".into())]),
            ("ping", &[mysql, ("address", "/run/mysql.sock".into())]),
            ("connection of an exec", &peer),
            ("connection of a statement's query", &[("host", "db.example".into()), ("port", 0.into())]),
        ],
        expect![[r#"
            Kind::Client "PING shop" Status::Unset db.system.name=mysql db.operation.name=PING server.address=db.example server.port=3306 db.namespace=shop
            Kind::Client "PING ::1:3306" Status::Unset db.system.name=mysql db.operation.name=PING server.address=::1 server.port=3306
            Kind::Client "PING /run/mysql.sock" Status::Unset db.system.name=mysql db.operation.name=PING server.address=/run/mysql.sock
            Kind::Unset "" Status::Unset network.peer.address=127.0.0.1 network.peer.port=3306
            Kind::Unset "" Status::Unset server.address=db.example
        "#]],
    );
}

/// pgx does not say which of several hosts it has; it tries one twice where TLS is a wish.
#[test]
fn says_no_host_that_may_be_another() {
    let first = [("host", "one.example".into()), ("port", 5432.into())];
    let other = |number: i64, host: &'static str| {
        [("others", number.into()), ("other_host", host.into()), ("other_port", 5432.into())]
    };
    let peer = [("peer_address", Copied::Bytes(&[127, 0, 0, 1])), ("peer_port", Copied::Word(5433))];
    check(
        &[],
        &[
            ("connection of an exec", &[&first[..], &other(1, "one.example"), &peer].concat()),
            ("connection of an exec", &[&first[..], &other(1, "two.example"), &peer].concat()),
            ("connection of an exec", &[&first[..], &other(3, "one.example"), &peer].concat()),
            ("commit", &[&first[..], &other(3, "one.example")].concat()),
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset server.address=one.example server.port=5432 network.peer.address=127.0.0.1 network.peer.port=5433
            Kind::Unset "" Status::Unset server.address=127.0.0.1 server.port=5433 network.peer.address=127.0.0.1 network.peer.port=5433
            Kind::Unset "" Status::Unset server.address=127.0.0.1 server.port=5433 network.peer.address=127.0.0.1 network.peer.port=5433
            Kind::Client "COMMIT" Status::Unset db.system.name=other_sql db.operation.name=COMMIT
        "#]],
    );
}

#[test]
fn says_how_it_ended() {
    let ended = |text| ("sentinel", Copied::from(text));
    let plain = ("kind", "*errors.errorString".into());
    check(
        &SETTINGS,
        &[
            ("query ended", &[]),
            ("query ended", &[("kind", "*github.com/lib/pq.Error".into()), ("text_code", "23505".into())]),
            ("exec ended", &[("kind", "*modernc.org/sqlite.Error".into()), ("number_code", 1555.into())]),
            ("exec ended", &[("kind", "github.com/microsoft/go-mssqldb.Error".into()), ("number_code", 2627.into())]),
            ("commit ended", &[("kind", "github.com/microsoft/go-mssqldb.Error".into()), ("number_code", 0.into())]),
            ("exec ended", &[("kind", "*net.OpError".into())]),
            ("exec ended", &[("kind", "context.deadlineExceededError".into())]),
            ("exec ended", &[plain, ended("context canceled")]),
            ("ping ended", &[plain, ended("driver: bad connection")]),
            ("ping ended", &[plain, ended("secret")]),
            ("begin ended", &[("kind", Copied::Unreadable)]),
            ("begin ended", &[("kind", "?".into())]),
            ("commit ended", &[plain, ended("sql: transaction has already been committed or rolled back")]),
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset
            Kind::Unset "" Status::Error db.response.status_code=23505 error.type=23505
            Kind::Unset "" Status::Error db.response.status_code=1555 error.type=1555
            Kind::Unset "" Status::Error db.response.status_code=2627 error.type=2627
            Kind::Unset "" Status::Error error.type=github.com/microsoft/go-mssqldb.Error
            Kind::Unset "" Status::Error error.type=*net.OpError
            Kind::Unset "" Status::Error error.type=context.DeadlineExceeded
            Kind::Unset "" Status::Error error.type=context.Canceled
            Kind::Unset "" Status::Error error.type=database/sql/driver.ErrBadConn
            Kind::Unset "" Status::Error error.type=*errors.errorString
            Kind::Unset "" Status::Error error.type=_OTHER
            Kind::Unset "" Status::Error error.type=_OTHER
            Kind::Unset "" Status::Error error.type=database/sql.ErrTxDone
        "#]],
    );
}

#[test]
fn tells_a_rollback_from_one_that_comes_too_late() {
    let plain = ("kind", "*errors.errorString".into());
    let late = ("sentinel", "sql: transaction has already been committed or rolled back".into());
    let broken = ("sentinel", "driver: bad connection".into());
    check(
        &SETTINGS,
        &[
            ("rollback ended", &[("discard", 0.into())]),
            ("rollback ended", &[plain, late, ("discard", 0.into())]),
            ("rollback ended", &[plain, late, ("discard", 1.into())]),
            ("rollback ended", &[plain, broken, ("discard", 0.into())]),
            ("rollback ended", &[plain, broken, ("discard", 1.into())]),
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset
            Kind::Unset "" Status::Unset dropped
            Kind::Unset "" Status::Unset dropped
            Kind::Unset "" Status::Error error.type=database/sql/driver.ErrBadConn
            Kind::Unset "" Status::Unset
        "#]],
    );
}

#[test]
fn says_how_rows_ended() {
    let plain = ("kind", "*errors.errorString".into());
    check(
        &[("query-end", "close")],
        &[
            ("rows closed", &[plain, ("sentinel", "EOF".into()), ("rows", 3.into())]),
            ("rows closed", &[("rows", 0.into())]),
            ("rows closed", &[("kind", "*github.com/lib/pq.Error".into()), ("text_code", "57014".into())]),
            (
                "rows closed",
                &[("failure", "*errors.errorString".into()), ("failure_sentinel", "context canceled".into())],
            ),
        ],
        expect![[r#"
            Kind::Unset "" Status::Unset db.response.returned_rows=3
            Kind::Unset "" Status::Unset db.response.returned_rows=0
            Kind::Unset "" Status::Error db.response.status_code=57014 error.type=57014
            Kind::Unset "" Status::Error error.type=context.Canceled
        "#]],
    );
    let names = |settings: &[(&str, &str)]| {
        let target = settings.iter().fold(target(GO), |target, (key, value)| with_setting(target, key, value));
        Batch::new::<Sql>(&target).manifest.probes.iter().filter(|probe| probe.name.starts_with("rows")).count()
    };
    assert_eq!((names(&SETTINGS), names(&[("query-end", "close")])), (0, 2));
}

#[test]
fn does_what_the_operator_set() {
    let hit: [(&str, &[(&str, Copied<'_>)]); 2] = [
        ("query", &[PQ, ("statement", "SELECT * FROM items WHERE name = 'mine'".into())]),
        (
            "query",
            &[("driver", "*example.com/wrapper.Driver".into()), ("statement", Copied::Cut(b"SELECT `a` FROM \"b\", "))],
        ),
    ];
    check(
        &[("query-text", "raw")],
        &hit,
        expect![[r#"
        Kind::Client "SELECT items" Status::Unset db.system.name=postgresql db.query.text=SELECT * FROM items WHERE name = 'mine' db.operation.name=SELECT db.collection.name=items db.query.summary=SELECT items
        Kind::Client "SELECT \"b\"" Status::Unset db.system.name=other_sql db.query.text=SELECT `a` FROM "b", … db.query.summary=SELECT "b"
    "#]],
    );
    check(
        &[("query-text", "off")],
        &hit,
        expect![[r#"
        Kind::Client "SELECT items" Status::Unset db.system.name=postgresql db.operation.name=SELECT db.collection.name=items db.query.summary=SELECT items
        Kind::Client "SELECT \"b\"" Status::Unset db.system.name=other_sql db.query.summary=SELECT "b"
    "#]],
    );
    check(
        &[("systems.example.com/wrapper", "mysql")],
        &hit[1..],
        expect![[r#"
        Kind::Client "SELECT" Status::Unset db.system.name=mysql db.query.text=SELECT `a` FROM ?, … db.query.summary=SELECT
    "#]],
    );
    let batch = Batch::new::<Sql>(&with_setting(target(GO), "query-limit", "100"));
    let statements = batch.manifest.probes.iter().flat_map(|probe| &probe.captures).filter(|it| it.name == "statement");
    assert!(statements.map(|capture| capture.limit).all(|limit| limit == 100));
}

#[test]
fn knows_databases_by_their_drivers() {
    let more = [("*example.com/mine.Driver".to_owned(), "mine".to_owned())];
    for (driver, expected) in [
        ("*github.com/lib/pq.Driver", "postgresql"),
        ("github.com/lib/pq.Driver", "postgresql"),
        ("*github.com/jackc/pgx/v5/stdlib.driverConnector", "postgresql"),
        ("github.com/jackc/pgx/v4/stdlib.connector", "postgresql"),
        ("*github.com/go-sql-driver/mysql.MySQLDriver", "mysql"),
        ("*modernc.org/sqlite.Driver", "sqlite"),
        ("*github.com/mattn/go-sqlite3.SQLiteDriver", "sqlite"),
        ("*github.com/microsoft/go-mssqldb.Connector", "microsoft.sql_server"),
        ("*github.com/lib/pqueue.Driver", "other_sql"),
        ("*example.com/mine.Driver", "mine"),
        ("example.com/mine.Driver", "mine"),
        ("*example.com/mine.DriverOfAnother", "other_sql"),
        ("", "other_sql"),
        ("?", "other_sql"),
    ] {
        assert_eq!(systems::system(driver, &more), expected, "{driver}");
    }
}

#[test]
fn refuses_what_it_cannot_trace() {
    for (go, expected) in [("go1.17.13", "go 1.17 is too old, 1.18 is needed"), ("", "not a Go program")] {
        assert_eq!(uprobed_sdk::whole_manifest::<Sql>(&target(go)).map(drop), Err(expected.to_owned()), "{go}");
    }
}
