//! Every rule that a comment, a text or a test's name cites has its row in `src/RULES.md`, and every failure of the field
//! there has a test of its name. The tree is read as files, so that what git does not know yet counts as well.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const RULES: &str = "src/RULES.md";
/// Where citations stand.
const PLACES: &[&str] = &["src", "tests", "packaging", "README.md", "Cargo.toml"];
/// The files that are looked at.
const ENDINGS: &[&str] = &["rs", "md", "toml"];

#[test]
fn every_rule_that_is_cited_has_its_row() {
    let rules = read(RULES);
    let rows: BTreeSet<&str> = rules.lines().filter_map(row).collect();
    let mut paths = Vec::new();
    PLACES.iter().for_each(|place| walk(place, &mut paths));
    assert!(paths.len() > 100, "the walk has lost its way: {paths:?}");
    let (mut faults, mut cited) = (Vec::new(), 0);
    // The tests below cite what they like.
    for path in paths.iter().filter(|path| ![RULES, "tests/rules.rs"].contains(&path.as_str())) {
        for (number, line) in read(path).lines().enumerate() {
            for rule in citations(line) {
                cited += 1;
                if !rows.contains(rule.as_str()) {
                    faults.push(format!("{path}:{}: {rule} has no row in {RULES}", number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    assert!(cited > 100, "only {cited} citations were found");
}

#[test]
fn every_failure_of_the_field_has_a_test_of_its_name() {
    let mut paths = Vec::new();
    ["src", "tests"].iter().for_each(|place| walk(place, &mut paths));
    let named: BTreeSet<String> = paths
        .iter()
        .filter(|path| path.ends_with(".rs") && *path != "tests/rules.rs")
        .flat_map(|path| {
            read(path).lines().filter(|line| line.trim().starts_with("fn ")).flat_map(citations).collect::<Vec<_>>()
        })
        .collect();
    let rules = read(RULES);
    let rows = rules.lines().filter_map(row).filter(|rule| rule.starts_with(['F', 'U']) && citations(rule) == [*rule]);
    let untested: Vec<&str> = rows.filter(|rule| !named.contains(*rule)).collect();
    assert!(untested.is_empty() && named.len() > 40, "{untested:?} of {RULES} have no test; {} rows have", named.len());
}

#[test]
fn citations_are_found_and_nothing_else() {
    let all = |line: &str| citations(line).join(" ");
    assert_eq!(all("(R-2, R-999 to R-12; xR-3, R-, `R-4`)"), "R-2 R-999 R-12 R-4");
    assert_eq!(all("    fn f08_f32_a_404_f09_x() {"), "F8 F32");
    assert_eq!(all("fn u04_a_job() and F7, U9. F123"), "U4 F7 U9");
    assert_eq!(all("0xbf58_476d as f64; UTF8 MIF1 fn if08_"), "");
    assert_eq!(row("| R-1 | text |"), Some("R-1"));
}

/// The rule that a line of the tables is about.
fn row(line: &str) -> Option<&str> {
    Some(line.strip_prefix("| ")?.split_once(" |")?.0)
}

/// What a line cites, as the tables spell it: numbers in words of their own, and those at the front of a test's name.
fn citations(line: &str) -> Vec<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let words: Vec<&str> = line.split(|letter| !is_part(letter)).filter(|word| !word.is_empty()).collect();
    let mut cited = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if let Some(number) = word.strip_prefix("R-") {
            // `R-7-` and the like are still a citation.
            let digits = number.split(|letter: char| !letter.is_ascii_digit()).next().filter(|text| !text.is_empty());
            cited.extend(digits.map(|digits| format!("R-{digits}")));
        } else if at > 0 && words[at - 1] == "fn" {
            cited.extend(word.split('_').map_while(|part| row_number(part, ['f', 'u'], 2..=2)));
        } else {
            cited.extend(row_number(word, ['F', 'U'], 1..=2));
        }
    }
    cited
}

/// `f08` as `F8`: one of the letters and this many digits.
fn row_number(text: &str, letters: [char; 2], digits: std::ops::RangeInclusive<usize>) -> Option<String> {
    let number = text.strip_prefix(letters)?;
    let is_number = digits.contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let value: u32 = number.parse().ok().filter(|_| is_number)?;
    Some(format!("{}{value}", text[..1].to_ascii_uppercase()))
}

fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a place, or the place itself.
fn walk(place: &str, paths: &mut Vec<String>) {
    if top().join(place).is_dir() {
        for entry in fs::read_dir(top().join(place)).expect("the tree can be read") {
            let name = entry.expect("the tree can be read").file_name();
            walk(&format!("{place}/{}", name.to_string_lossy()), paths);
        }
    } else if ENDINGS.iter().any(|ending| place.ends_with(&format!(".{ending}"))) {
        paths.push(place.to_owned());
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
