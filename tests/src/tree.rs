//! The trees that `uprobed trace` prints, read back.

use std::collections::BTreeSet;

/// One printed trace.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// As it was printed, colours included.
    pub text: String,
    pub lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub depth: usize,
    pub service: String,
    pub kind: String,
    /// What stands behind the kind: name, status, subject, error; without the times.
    pub says: String,
    /// `/orders/7`, whether it was printed as such or within a URL.
    pub path: String,
    /// The first number of three digits.
    pub status: Option<i64>,
}

/// Every trace of a printed text: each begins with a line `trace …`, one line a span follows.
pub fn read(text: &str) -> Vec<Tree> {
    let mut trees: Vec<Tree> = Vec::new();
    for line in text.lines() {
        let plain = without_colours(line);
        if plain.starts_with("trace ") {
            trees.push(Tree::default());
        }
        let Some(tree) = trees.last_mut() else { continue };
        tree.text.push_str(line);
        tree.text.push('\n');
        if !plain.starts_with("trace ") && !plain.trim().is_empty() {
            tree.lines.push(span(&plain));
        }
    }
    trees
}

impl Tree {
    /// `shop server /orders/7 > shop client /items/7`: who stands under whom. Of a root: nothing before the `>`.
    pub fn edges(&self) -> BTreeSet<String> {
        let mut above: Vec<String> = Vec::new();
        let mut edges = BTreeSet::new();
        for line in &self.lines {
            above.truncate(line.depth);
            let own = format!("{} {} {}", line.service, line.kind, line.path);
            edges.insert(format!("{} > {own}", above.last().map_or("", String::as_str)));
            above.push(own);
        }
        edges
    }

    /// A line a span, two blanks for each level: who did what below whom, and in which order it began.
    pub fn outline(&self) -> String {
        let line = |line: &Line| format!("{:1$}{2} {3} {4}\n", "", 2 * line.depth, line.service, line.kind, line.says);
        self.lines.iter().map(line).collect()
    }
}

fn span(line: &str) -> Line {
    const LEVEL: usize = 3;
    // The times are right-aligned in columns that are wider than any of them.
    const BEFORE_TIMES: &str = "   ";
    let words_begin = line.find(|c: char| !"│├└─ ".contains(c)).unwrap_or(line.len());
    let depth = line[..words_begin].chars().count() / LEVEL;
    let words = &line[words_begin..];
    let words = words.split_once(BEFORE_TIMES).map_or(words, |(words, _)| words);
    let mut words = words.split_whitespace();
    let (service, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let rest: Vec<&str> = words.collect();
    Line {
        depth,
        service: service.to_owned(),
        kind: kind.to_owned(),
        says: rest.join(" "),
        path: rest.iter().find_map(|word| path(word)).unwrap_or_default(),
        status: rest.iter().filter(|word| word.len() == 3).find_map(|word| word.parse().ok()),
    }
}

/// A route has wildcards or ends in a slash; a path does not.
fn path(word: &str) -> Option<String> {
    let path = match word.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => word,
    };
    (path.starts_with('/') && !path.ends_with('/') && !path.contains('{')).then(|| path.to_owned())
}

/// Without the sequences that set colours: ESC, `[`, anything, `m`.
fn without_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_edges_back() {
        let text = "\
trace 01  12.3 ms  4 spans  ✗ 1  shop, stock
shop server GET /orders/{day}/{id} 409 /orders/n/9            0   12.3 ms  ████
├─ shop client ✗ GET 404 http://127.0.0.1:1/items/n/9   1.10 ms   7.90 ms  ██
│  └─ \u{1b}[2mstock\u{1b}[0m server GET /items/ 404 /items/n/9   1.60 ms   6.80 ms  ██
└─ shop client GET 200 http://127.0.0.1:1/prices/n/9   9.50 ms   1.00 µs   █

";
        let trees = read(text);
        let edges: Vec<_> = trees[0].edges().into_iter().collect();
        assert_eq!(
            edges,
            [
                " > shop server /orders/n/9",
                "shop client /items/n/9 > stock server /items/n/9",
                "shop server /orders/n/9 > shop client /items/n/9",
                "shop server /orders/n/9 > shop client /prices/n/9",
            ]
        );
        assert_eq!(trees[0].lines[1].status, Some(404));
    }

    #[test]
    fn tells_what_a_line_says_from_its_times() {
        let text = "\
trace 01  12.3 ms  2 spans  shop, stock
shop client shop.Stock/Reserve OK         0   12.3 ms  ████
└─ stock server shop.Stock/Reserve   120 µs    922 µs  ██
";
        let trees = read(text);
        assert_eq!(trees[0].outline(), "shop client shop.Stock/Reserve OK\n  stock server shop.Stock/Reserve\n");
        assert_eq!(trees[0].lines[1].status, None);
    }
}
