//! The source tree as `tests/tidy.rs` looks at it: which files there are, and which module uses which.

mod lexer;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use lexer::has_word;

/// One Rust file.
pub struct Rust {
    /// From the top, with slashes.
    pub path: String,
    /// As it stands.
    pub raw: String,
    /// Without comments, texts and test modules; lines are where they were.
    pub code: String,
    /// Text literals outside test modules, with their lines.
    pub texts: Vec<(usize, String)>,
    /// `a::b` as `["a", "b"]`; `main.rs` is `["main"]`, `lib.rs` empty.
    module: Vec<String>,
}

/// All files that belong to the project.
pub struct Tree {
    /// Every file, from the top.
    pub files: Vec<String>,
    /// Every Rust file.
    pub rust: Vec<Rust>,
    /// Module path -> index in `rust`, for what `lib.rs` and `main.rs` lead to.
    modules: BTreeMap<Vec<String>, usize>,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Tree {
    /// Reads the tree that this test was built from.
    pub fn read() -> Self {
        let mut files = from_git().unwrap_or_else(|| {
            let mut files = Vec::new();
            from_folder(top(), &mut files);
            files
        });
        files.retain(|path| top().join(path).is_file());
        files.sort();
        let rust: Vec<Rust> = files.iter().filter(|path| path.ends_with(".rs")).map(|path| Rust::read(path)).collect();
        let mut tree = Self { files, rust, modules: BTreeMap::new() };
        tree.reach("src/lib.rs", Vec::new());
        tree.reach("src/main.rs", vec!["main".to_owned()]);
        assert!(tree.modules.len() > 10, "the walk over src has lost its way: {:?}", tree.modules.keys());
        tree
    }
    /// The files that are part of the program.
    pub fn modules(&self) -> impl Iterator<Item = &Rust> {
        self.modules.values().map(|index| &self.rust[*index])
    }
    /// True for a module that stands directly in the crate.
    pub fn is_room(&self, name: &str) -> bool {
        self.modules.contains_key(&vec![name.to_owned()])
    }
    /// The file that a path from the crate's root leads to; the items in it do not count.
    pub fn file_of(&self, path: &[String]) -> Option<&Rust> {
        (1..=path.len()).rev().find_map(|length| self.modules.get(&path[..length])).map(|index| &self.rust[*index])
    }

    /// Follows the `mod` declarations from here.
    fn reach(&mut self, path: &str, module: Vec<String>) {
        let Some(index) = self.rust.iter().position(|file| file.path == path) else { return };
        self.rust[index].module.clone_from(&module);
        self.modules.insert(module.clone(), index);
        let folder =
            match path.strip_suffix("/mod.rs").or(path.strip_suffix("/lib.rs")).or(path.strip_suffix("/main.rs")) {
                Some(folder) => folder.to_owned(),
                None => path.trim_end_matches(".rs").to_owned(),
            };
        for child in lexer::children(&self.rust[index].code) {
            let below = [module.as_slice(), std::slice::from_ref(&child)].concat();
            self.reach(&format!("{folder}/{child}.rs"), below.clone());
            self.reach(&format!("{folder}/{child}/mod.rs"), below);
        }
    }
}

impl Rust {
    fn read(path: &str) -> Self {
        let raw = fs::read_to_string(top().join(path)).unwrap_or_default();
        let (code, texts) = lexer::code_and_texts(&raw);
        Self { path: path.to_owned(), raw, code, texts, module: Vec::new() }
    }
    pub fn path(&self) -> &str {
        &self.path
    }
    /// The top module that it belongs to; `lib` for the crate's root.
    pub fn room(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
    /// Paths from the crate's root that it names, with their lines: by `crate::`, `super::`, `self::`, the crate's own
    /// name, or a child module's.
    pub fn uses(&self, tree: &Tree) -> Vec<(usize, Vec<String>)> {
        let children = lexer::children(&self.code);
        let mut uses = Vec::new();
        for (line, path) in lexer::paths(&self.code) {
            let supers = path.iter().take_while(|part| *part == "super").count();
            let base = match path[0].as_str() {
                "crate" | "waybill" => Vec::new(),
                "super" => self.module[..self.module.len().saturating_sub(supers)].to_vec(),
                "self" => self.module.clone(),
                child if children.iter().any(|name| name == child) => self.module.clone(),
                _ => continue,
            };
            let own = path.iter().skip_while(|part| ["crate", "waybill", "super", "self"].contains(&part.as_str()));
            let whole: Vec<String> = base.into_iter().chain(own.cloned()).collect();
            if tree.file_of(&whole).is_some() {
                uses.push((line, whole));
            }
        }
        uses
    }
}

/// What git knows or would add; `None` where this is no checkout.
fn from_git() -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(top()).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let files: Vec<String> = list.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !files.is_empty()).then_some(files)
}

/// All files but what .gitignore names.
fn from_folder(folder: &Path, files: &mut Vec<String>) {
    let entries = fs::read_dir(folder).expect("the source tree can be read");
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the source tree can be read").path()).collect();
    for path in paths {
        let name = path.strip_prefix(top()).expect("below the top").to_string_lossy().into_owned();
        let ignored = name == "target" || name == ".git" || (name.starts_with("vendor/") && name != "vendor/README.md");
        if ignored {
            continue;
        } else if path.is_dir() {
            from_folder(&path, files);
        } else {
            files.push(name);
        }
    }
}
