//! What movers mean by their stage and status texts (`wire.md`). Unknown text means nothing: it is named, never guessed
//! (F13).

use crate::model::stage::Stage;
use crate::model::status::JobStatus;

/// What a push says about its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The run is in a stage other than Transfer.
    Stage(Stage, JobStatus),
    /// A disk is being copied.
    Copying,
    /// A disk has been copied.
    Copied,
    /// Something failed, in this stage where one is known.
    Failed(Option<Stage>),
    /// The specification's own word that all is done, which only the last two stages may say.
    Succeeded(Stage),
    /// Nothing that is known.
    Nothing,
}

/// A push's texts, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading<'a> {
    /// What it means.
    pub meaning: Meaning,
    /// Texts that nobody knows: of the stage, of the status.
    pub unknown: [Option<&'a str>; 2],
}

/// Reads a mover's stage and status.
pub fn read<'a>(stage: &'a str, status: Option<&'a str>) -> Reading<'a> {
    let known_stage = stage_of(stage);
    let word = status.map(word_of);
    let unknown = [known_stage.is_none().then_some(stage), status.filter(|_| word == Some(Word::Unknown))];
    let meaning = match (known_stage, word) {
        (stage, Some(Word::Own(JobStatus::Failed))) => Meaning::Failed(stage.map(|(stage, _)| stage)),
        (None, _) => Meaning::Nothing,
        (Some((Stage::Transfer, _)), Some(Word::Completed)) => Meaning::Copied,
        (Some((Stage::Transfer, _)), _) => Meaning::Copying,
        (Some((stage, _)), Some(Word::Own(JobStatus::Succeeded))) if stage > Stage::Transfer => {
            Meaning::Succeeded(stage)
        }
        (Some((stage, _)), Some(Word::Own(status))) if !status.is_final() => Meaning::Stage(stage, status),
        (Some((stage, status)), _) => Meaning::Stage(stage, status),
    };
    Reading { meaning, unknown }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// One of the specification's job statuses.
    Own(JobStatus),
    /// `completed`: the end of a disk.
    Completed,
    /// `in_progress`: says nothing beyond the stage.
    InProgress,
    Unknown,
}

fn word_of(status: &str) -> Word {
    match JobStatus::from_wire_name(status) {
        Some(own) => Word::Own(own),
        None if status.eq_ignore_ascii_case("completed") => Word::Completed,
        None if status.eq_ignore_ascii_case("in_progress") => Word::InProgress,
        None => Word::Unknown,
    }
}

/// A stage text and the job status that goes with it.
fn stage_of(text: &str) -> Option<(Stage, JobStatus)> {
    const MOVERS: [(&str, Stage, JobStatus); 4] = [
        ("Initializing", Stage::Discover, JobStatus::Preparing),
        ("Creating Snapshot", Stage::Snapshot, JobStatus::Snapshotting),
        ("Preparing Migration", Stage::PrepareVolumes, JobStatus::Preparing),
        ("Setting up NBD", Stage::StartExports, JobStatus::Preparing),
    ];
    let own = Stage::from_wire_name(text).map(|stage| (stage, status_at(stage)));
    own.or_else(|| {
        let met = MOVERS.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(text));
        met.map(|(_, stage, status)| (*stage, *status))
    })
}

/// The status that a stage implies where none of the specification's is said.
fn status_at(stage: Stage) -> JobStatus {
    match stage {
        Stage::Discover | Stage::EnableCbt | Stage::QueryCbt => JobStatus::Preparing,
        Stage::Snapshot => JobStatus::Snapshotting,
        Stage::PrepareVolumes | Stage::StartExports => JobStatus::Preparing,
        Stage::Transfer => JobStatus::Streaming,
        Stage::Finalize | Stage::PersistChangeIds => JobStatus::Finalizing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f12_f13_every_text_of_the_field_is_read_and_no_other() {
        let meaning = |stage, status| read(stage, status).meaning;
        use JobStatus::{Finalizing, Preparing, Queued, Snapshotting};
        for (stage, status, expected) in [
            ("Initializing", Some("in_progress"), Meaning::Stage(Stage::Discover, Preparing)),
            ("Creating Snapshot", Some("in_progress"), Meaning::Stage(Stage::Snapshot, Snapshotting)),
            ("Preparing Migration", None, Meaning::Stage(Stage::PrepareVolumes, Preparing)),
            ("Setting up NBD", None, Meaning::Stage(Stage::StartExports, Preparing)),
            ("Transfer", Some("in_progress"), Meaning::Copying),
            ("Transfer", Some("Queued"), Meaning::Copying),
            ("transfer", Some("Succeeded"), Meaning::Copying),
            ("Transfer", Some("completed"), Meaning::Copied),
            ("Transfer", Some("FAILED"), Meaning::Failed(Some(Stage::Transfer))),
            ("Initializing", Some("failed"), Meaning::Failed(Some(Stage::Discover))),
            ("Discover", Some("queued"), Meaning::Stage(Stage::Discover, Queued)),
            ("enablecbt", None, Meaning::Stage(Stage::EnableCbt, Preparing)),
            ("Finalize", Some("completed"), Meaning::Stage(Stage::Finalize, Finalizing)),
            ("PersistChangeIDs", Some("Succeeded"), Meaning::Succeeded(Stage::PersistChangeIds)),
            ("Discover", Some("Succeeded"), Meaning::Stage(Stage::Discover, Preparing)),
            ("Polishing", Some("completed"), Meaning::Nothing),
            ("Polishing", Some("failed"), Meaning::Failed(None)),
        ] {
            assert_eq!(meaning(stage, status), expected, "{stage} {status:?}");
        }
    }

    #[test]
    fn unknown_texts_are_named() {
        assert_eq!(read("Polishing", Some("shiny")).unknown, [Some("Polishing"), Some("shiny")]);
        assert_eq!(read("Transfer", Some("shiny")).unknown, [None, Some("shiny")]);
        assert_eq!(read("Transfer", None).unknown, [None, None]);
    }
}
