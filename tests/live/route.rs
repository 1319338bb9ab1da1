//! `http.route` is the mux's pattern, whatever became of the request on its way to the mux.

use anyhow::{Result, ensure};
use uprobed_tests::otlp::{SERVER, Span};
use uprobed_tests::programs::{SERVICE, VERSIONS};
use uprobed_tests::scene::Scene;

/// What is asked for, and the pattern that the service's mux has for it.
const ROUTES: [(&str, &str); 16] = [
    ("/plain/{i}", "/plain/"),
    ("/items/1/{i}", "/items/{id}/{rest...}"),
    // Copied behind the mux.
    ("/middleware/{i}", "/middleware/"),
    ("/again/2/{i}", "/again/"),
    // Copied before it.
    ("/context/{i}", "/context/"),
    ("/context/items/{i}", "/context/items/{id}"),
    ("/clone/{i}", "/clone/"),
    ("/clone/items/{i}", "/clone/items/{id}"),
    // Copied, for another goroutine.
    ("/late/{i}", "/late/"),
    ("/late/items/{i}", "/late/items/{id}"),
    // The copy is garbage before the request ends.
    ("/context/reused/{i}", "/context/reused/"),
    ("/clone/reused/{i}", "/clone/reused/"),
    // A mux behind a mux: the outer one's.
    ("/context/nested/{i}", "/context/nested/"),
    ("/late/nested/{i}", "/late/nested/"),
    // What was stripped before the mux, it does not know.
    ("/stripped/plain/{i}", "/plain/"),
    // Nobody's.
    ("/nowhere/{i}", ""),
];

#[test]
fn is_the_pattern_that_the_mux_found() -> Result<()> {
    // Before 1.22 the mux leaves no pattern anywhere.
    ensure!(VERSIONS[1].starts_with("go1.21"), "the versions changed");
    for version in &VERSIONS[2..] {
        let spans = traced(version)?;
        let problems = problems(&spans, |route| route);
        ensure!(
            problems.is_empty(),
            "{version}: {} problems: {:#?}",
            problems.len(),
            &problems[..problems.len().min(20)]
        );
        // The comparison notices a route that is missing, or another request's.
        let mut faulty = spans;
        let route = faulty[0].attributes.remove("http.route");
        ensure!(self::problems(&faulty, |route| route).len() == 1, "a missing route was not noticed");
        let other = faulty.iter().position(|span| span.attributes.get("http.route") != route.as_ref());
        let other = other.map(|other| faulty[other].attributes.clone());
        faulty[0].attributes.extend(other.into_iter().flatten().filter(|(key, _)| key == "http.route"));
        ensure!(self::problems(&faulty, |route| route).len() == 1, "another request's route was not noticed");
    }
    Ok(())
}

#[test]
fn is_left_out_where_nobody_knows_it() -> Result<()> {
    let problems = problems(&traced(VERSIONS[1])?, |_| "");
    ensure!(problems.is_empty(), "{problems:#?}");
    Ok(())
}

fn traced(version: &'static str) -> Result<Vec<Span>> {
    let scene = Scene::new(&format!("route-{version}"))?;
    let (front, back) = scene.pair(&SERVICE.go(version), &[])?;
    let tracer = scene.trace(&[&front, &back])?;
    let paths = ROUTES.map(|(path, _)| path).join(",");
    let sent = scene.load(&front, &["--paths", &paths, "--n", "800", "--c", "4"])?;
    let front_pid = u64::from(front.pid());
    let mut spans = scene.verify(tracer, vec![front, back], sent)?.spans;
    spans.retain(|span| span.kind == SERVER && u64::from(span.pid()) == front_pid);
    ensure!(spans.len() == 800, "{} spans", spans.len());
    Ok(spans)
}

fn problems(spans: &[Span], known: impl Fn(&'static str) -> &'static str) -> Vec<String> {
    let expected = |span: &Span| {
        let (fixed, _) = span.path().rsplit_once('/')?;
        ROUTES
            .iter()
            .find(|(path, _)| path.rsplit_once('/').is_some_and(|(path, _)| path == fixed))
            .map(|(_, route)| *route)
    };
    let mut problems = Vec::new();
    for span in spans {
        let Some(expected) = expected(span).map(&known) else {
            problems.push(format!("{} was not asked for", span.path()));
            continue;
        };
        let name = if expected.is_empty() { "GET".to_owned() } else { format!("GET {expected}") };
        if span.text("http.route") != expected || span.name != name {
            problems.push(format!("{}: {} {}, not {expected}", span.path(), span.name, span.text("http.route")));
        }
    }
    problems
}
