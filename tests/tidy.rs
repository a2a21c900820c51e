//! Keeps the house in order: a test over the source tree. The rules are the tables at the top; each failure names the
//! file, the line and what to do instead. Rules about code look at it without comments, texts and `#[cfg(test)]` modules.

#[path = "tree/mod.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use tree::{Rust, Tree};

/// Who may use whom: a room and the rooms that it may name. `model` uses nothing; data walks one way.
const USES: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("model", &["limits"]),
    ("wire", &["model", "limits"]),
    ("policy", &["model", "limits"]),
    ("store", &["model", "policy", "limits"]),
    ("view", &["model", "policy", "limits"]),
    ("config", &["wire", "model", "policy", "limits"]),
    ("runtime", &["store", "policy", "wire", "config", "exit", "model", "limits"]),
    ("net", &["wire", "model", "runtime", "limits"]),
    ("vsphere", &["net", "wire", "config", "runtime", "model", "limits"]),
    ("link", &["net", "pki", "policy", "wire", "config", "runtime", "model", "limits"]),
    ("pki", &["net", "wire", "config", "runtime", "model", "limits"]),
    ("mover", &["net", "view", "wire", "model", "runtime", "limits"]),
    ("exit", &["config", "net", "store", "wire", "model", "limits"]),
];
/// Those that assemble, and see everything.
const SEE_EVERYTHING: &[&str] = &["vma", "oma", "cli", "main", "lib"];

/// Rooms without input, output and clock.
const PURE: &[&str] = &["model", "wire", "policy", "view"];
/// Words that no pure room may use, and what it does instead.
const BANNED_IN_PURE: &[(&str, &str)] = &[
    ("Instant", "take a model::time::Mono as an argument"),
    ("SystemTime", "take a model::time::Wall as an argument"),
    ("std::net", "sockets belong in net"),
    ("std::fs", "files belong in store, config or cli"),
    ("File", "files belong in store, config or cli"),
    ("std::env", "take the value as an argument"),
    ("std::process", "processes belong in mover"),
    ("std::thread", "the daemon has one thread; answer with an action"),
    ("thread", "the daemon has one thread; answer with an action"),
    ("HashMap", "BTreeMap: its order is the same in every run"),
    ("HashSet", "BTreeSet: its order is the same in every run"),
    ("print!", "return the text"),
    ("println!", "return the text"),
    ("eprint!", "return the text"),
    ("eprintln!", "return the text"),
    ("log::", "return a model::event entry"),
    ("async_io", "answer with an action; runtime waits"),
    ("smol", "answer with an action; runtime waits"),
    ("async", "answer with an action; runtime waits"),
    ("ureq", "sockets belong in net"),
];

/// Words that are banned everywhere but in some places (path prefixes), and what to use instead.
const BANNED: &[(&str, &[&str], &str)] = &[
    ("Instant::now", &["src/runtime/clock.rs"], "runtime::clock::Clock"),
    ("SystemTime::now", &["src/runtime/clock.rs"], "runtime::clock::Clock"),
    (".elapsed()", &["src/runtime/clock.rs"], "Mono::since"),
    ("rusqlite", &["src/store/"], "the queries of store"),
    ("todo!", &[], "the thing itself"),
    ("unimplemented!", &[], "the thing itself"),
    ("dbg!", &[], "a log line, or nothing"),
    ("unsafe", &[], "a crate that wraps it"),
];
/// How a text begins that is SQL, and where it may stand.
const SQL: &[&str] =
    &["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM ", "CREATE ", "DROP ", "ALTER ", "PRAGMA ", "BEGIN"];
const SQL_IN: &str = "src/store/";

/// Lines of the longest file.
const LINES: usize = 600;
/// Entries at the top: what a reader meets first stays few.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "build",
    "packaging",
    "rustfmt.toml",
    "src",
    "tests",
    "vendor",
];
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn rooms_use_only_whom_they_may() {
    let tree = Tree::read();
    let mut faults = Vec::new();
    for file in tree.modules() {
        let room = file.room();
        if SEE_EVERYTHING.contains(&room) {
            continue;
        }
        let Some((_, may)) = USES.iter().find(|(name, _)| *name == room) else {
            faults.push(format!("{}: the room {room} is not in the table of tests/tidy.rs", file.path));
            continue;
        };
        for (line, path) in file.uses(&tree) {
            let Some(used) = path.first().filter(|used| *used != room && tree.is_room(used)) else { continue };
            if !may.contains(&used.as_str()) {
                let allowed = if may.is_empty() { "nothing".to_owned() } else { may.join(", ") };
                faults.push(format!("{}:{line}: {room} may not use {used}, only {allowed}", file.path));
            }
        }
    }
    none(faults);
}

#[test]
fn pure_rooms_touch_nothing() {
    let tree = Tree::read();
    let pure = tree.modules().filter(|file| PURE.contains(&file.room()));
    none(pure.flat_map(|file| banned(file, BANNED_IN_PURE.iter().copied())).collect());
}

#[test]
fn words_stay_in_their_places() {
    let tree = Tree::read();
    let check = |file| {
        let rules =
            BANNED.iter().filter(|(_, places, _)| !places.iter().any(|place| Rust::path(file).starts_with(place)));
        banned(file, rules.map(|(word, _, instead)| (*word, *instead)))
    };
    none(tree.modules().flat_map(check).collect());
}

#[test]
fn sql_stands_in_the_store() {
    let tree = Tree::read();
    let mut faults = Vec::new();
    for file in tree.modules().filter(|file| !file.path.starts_with(SQL_IN)) {
        let sql = file.texts.iter().filter(|(_, text)| SQL.iter().any(|word| text.trim_start().starts_with(word)));
        faults.extend(sql.map(|(line, text)| format!("{}:{line}: SQL belongs in store: {text:.40}", file.path)));
    }
    none(faults);
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let tree = Tree::read();
    let mut faults = Vec::new();
    for file in &tree.rust {
        let lines = file.raw.lines().count();
        if lines > LINES {
            faults.push(format!("{}: {lines} lines; past {LINES} a file is two", file.path));
        }
        if !file.raw.starts_with("//!") {
            faults.push(format!("{}: begins without //!: purpose, error policy, what it may not do", file.path));
        }
    }
    none(faults);
}

#[test]
fn every_source_file_is_part_of_the_program() {
    let tree = Tree::read();
    let reached: BTreeSet<&str> = tree.modules().map(|file| file.path.as_str()).collect();
    let dead = tree.rust.iter().filter(|file| file.path.starts_with("src/") && !reached.contains(file.path.as_str()));
    none(dead.map(|file| format!("{}: no mod declaration leads here; remove it or declare it", file.path)).collect());
}

#[test]
fn no_circle_between_files() {
    let tree = Tree::read();
    let uses: BTreeMap<&str, BTreeSet<&str>> = tree
        .modules()
        .map(|file| {
            let used = file.uses(&tree).into_iter().filter_map(|(_, path)| tree.file_of(&path));
            let others = used.map(Rust::path).filter(|path| *path != file.path);
            (file.path.as_str(), others.collect())
        })
        .collect();
    let (mut done, mut faults) = (BTreeSet::new(), Vec::new());
    for file in uses.keys() {
        walk(file, &uses, &mut Vec::new(), &mut done, &mut faults);
    }
    none(faults);
}

/// Depth first; a file that is met on its own way is a circle.
fn walk<'a>(
    file: &'a str,
    uses: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
    faults: &mut Vec<String>,
) {
    if let Some(start) = way.iter().position(|passed| *passed == file) {
        faults.push(format!("a circle: {} -> {file}; move what both need to a file below", way[start..].join(" -> ")));
        return;
    }
    if done.contains(file) {
        return;
    }
    way.push(file);
    for used in uses.get(file).into_iter().flatten() {
        walk(used, uses, way, done, faults);
    }
    way.pop();
    done.insert(file);
}

#[test]
fn the_top_holds_only_what_belongs_there() {
    let tree = Tree::read();
    let tops: BTreeSet<&str> = tree.files.iter().filter_map(|path| path.split('/').next()).collect();
    let odd = tops.into_iter().filter(|top| !TOP.contains(top));
    none(odd.map(|top| format!("{top}: does not belong at the top; allowed are {}", TOP.join(", "))).collect());
}

/// Where a file uses one of the words, which are matched as whole words.
fn banned<'a>(file: &'a Rust, words: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let found = |(word, instead): (&str, &str)| {
        let lines = file.code.lines().enumerate().filter(|(_, line)| tree::has_word(line, word));
        let told = lines.map(|(at, _)| format!("{}:{}: {word} is banned here; instead: {instead}", file.path, at + 1));
        told.collect::<Vec<_>>()
    };
    words.flat_map(found).collect()
}
