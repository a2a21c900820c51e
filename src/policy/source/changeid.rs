//! What the movers' change-id calls do to the jobs of a VMA: a change id is kept whatever it is and whomever it is
//! for, and where the OMA could not be asked for one, the log of the job concerned says so (F38).

use super::book::Source;
use super::entry::{Entry, Unplaced};
use crate::limits;
use crate::model::change::{Change, ReceivedChangeId, ServedChangeId};
use crate::model::event::Event;
use crate::model::id::{CorrelationId, DiskId, JobId};
use crate::model::job::Job;
use crate::model::request::ChangeIdReport;
use crate::model::time::Now;
use crate::model::warning::WarningKind;
use crate::policy::arrival::{self, Arrival};
use crate::policy::spool::Note;

impl Source {
    /// Takes a change id for a job that is found as a push would find it; the job, where there is one. What has ended does
    /// not change.
    ///
    /// `served` is what the mover was last served of this disk of this VM: where the run started, if the mover does not say
    /// so itself.
    pub fn change_id(
        &mut self,
        now: Now,
        path: &str,
        report: &ChangeIdReport,
        served: Option<&ServedChangeId>,
    ) -> Option<JobId> {
        let meant = self.meant_by(path);
        let job = meant.as_ref().and_then(|(id, _)| self.jobs.get(id)).map(|entry| &entry.job);
        let vm_path = job.map(|job| job.vm.path.clone());
        self.journal.push(Change::ChangeIdSpooled(ReceivedChangeId::new(path, report, vm_path, now.wall)));
        let (id, hint) = meant?;
        #[cfg(test)]
        assert!(self.trap.as_ref() != Some(&id), "the trap of job {id}");
        let mut report = report.clone();
        if let Some(disk) = hint.filter(|_| report.disk.is_empty()) {
            // The path is the name of the disk's export.
            report.disk = disk.as_str().to_owned();
        }
        self.note_replaced(now, &id, report.replaced);
        let job = &mut self.jobs.get_mut(&id)?.job;
        let is_over = job.status.is_final();
        if let Some(at) = (!is_over).then(|| arrival::name_disk(job, &report)).flatten() {
            self.journal.disk_named(now, job, &job.disks[at], "its change id says");
        }
        let arrival = Arrival::of(job, &report);
        arrival.note(now, job, &report, &mut self.journal);
        let Arrival { named, disk, given, previous } = arrival;
        match (disk, given) {
            _ if is_over => return Some(id),
            (Some(disk), Some(given)) => {
                let served = served.filter(|served| served.is_of_run(job)).map(|served| served.change_id.clone());
                if let Some(disk) = job.disk_mut(&disk) {
                    arrival::take(disk, given, previous, served);
                }
            }
            (None, given) => {
                if let (Some(named), Some(given)) = (named, given) {
                    self.keep_unplaced(&id, (named, given, previous));
                }
                self.warn(now, &id, WarningKind::ChangeIdUnplaced, arrival::unplaced(&report));
            }
            (Some(_), None) => {}
        }
        self.touch(now, &id, &[]);
        self.keep_row(&id);
        Some(id)
    }

    /// Keeps a change id for a disk that the job may still get, the newest for each.
    fn keep_unplaced(&mut self, id: &JobId, unplaced: Unplaced) {
        let Some(Entry { unplaced: waiting, .. }) = self.jobs.get_mut(id) else { return };
        waiting.retain(|(disk, _, _)| *disk != unplaced.0);
        if waiting.len() < limits::DISKS_PER_JOB {
            waiting.push(unplaced);
        }
    }

    /// Gives the change ids that wait to the disks that a declaration has named.
    pub(super) fn place_waiting(&mut self, now: Now, id: &JobId) {
        let Some(Entry { job, unplaced, .. }) = self.jobs.get_mut(id) else { return };
        for (named, given, previous) in std::mem::take(unplaced) {
            let Some(at) = job.place_of(&named) else {
                unplaced.push((named, given, previous));
                continue;
            };
            let message = format!(
                "change id of disk {}, which came before the disk was declared: {}",
                job.disks[at].id,
                given.as_str()
            );
            arrival::take(&mut job.disks[at], given, previous, None);
            self.journal.note(now, job, Event::ChangeIdReceived, message, vec![("disk", named.as_str().into())]);
        }
        if unplaced.is_empty() {
            job.unwarn(WarningKind::ChangeIdUnplaced);
        }
    }

    /// The VM path of the job that a name means; `None` if it is unknown.
    pub fn vm_path_of(&self, name: &str) -> Option<String> {
        let (id, _) = self.meant_by(name)?;
        let path = self.jobs.get(&id).map(|entry| entry.job.vm.path.clone());
        path.filter(|path| !path.is_empty())
    }

    /// What is known of a VM's disk from its newest job: the VM's instance UUID, "" if unknown, and the disk's size.
    pub fn facts_of_disk(&self, vm_path: &str, disk: &str) -> (String, Option<u64>) {
        let jobs =
            self.jobs.values().map(|entry| &*entry.job).filter(|job| !vm_path.is_empty() && job.vm.path == vm_path);
        let Some(job) = jobs.max_by_key(|job| (!job.status.is_final(), job.started_at)) else {
            return Default::default();
        };
        let at = DiskId::parse(disk).ok().and_then(|disk| job.place_of(&disk));
        (job.vm.uuid.clone(), at.and_then(|at| job.disks[at].capacity_bytes))
    }

    /// Adds a note about a change id to the log of its job; false where there is none.
    pub fn note_change_id(&mut self, now: Now, received: &ReceivedChangeId, note: Note) -> bool {
        self.job_of(received).is_some_and(|id| self.note_job(now, &id, note))
    }

    /// Adds a note to the log of a job; false where it is not known.
    pub fn note_job(&mut self, now: Now, id: &JobId, note: Note) -> bool {
        let Some(entry) = self.jobs.get(id) else { return false };
        self.journal.note(now, &entry.job, note.event, note.message, note.attributes);
        true
    }

    /// Under which id a change id goes on to the OMA, and the correlation id of its job. A mover calls every run by
    /// the first one's id; after a long wait only the run's own still tells which one was meant.
    pub fn way_on(&self, received: &ReceivedChangeId) -> (String, Option<CorrelationId>) {
        let job = self.job_of(received).and_then(|id| self.jobs.get(&id)).map(|entry| &entry.job);
        let run = job.filter(|job| JobId::parse(&received.job).is_ok_and(|base| job.id.run_number(&base).is_some()));
        let id = run.map_or_else(|| received.job.clone(), |run| run.id.as_str().to_owned());
        (id, job.and_then(|job| job.correlation.clone()))
    }

    /// The job that a name meant when a change id came under it.
    fn job_of(&self, received: &ReceivedChangeId) -> Option<JobId> {
        let (present, _) = self.meant_by(&received.job)?;
        let base = JobId::parse(&received.job).ok()?;
        if present.run_number(&base).is_none() || !self.jobs.contains_key(&base) {
            return Some(present);
        }
        let runs = self.jobs.range(&base..).take_while(|(id, _)| id.as_str().starts_with(base.as_str()));
        let runs = runs.filter_map(|(id, entry)| Some((id.run_number(&base)?, id, entry)));
        let begun = runs.filter(|(_, _, entry)| entry.job.started_at.is_some_and(|at| at <= received.received_at));
        Some(begun.max_by_key(|(number, _, _)| *number).map_or(base.clone(), |(_, id, _)| id.clone()))
    }

    /// Adds a note about a VM to the logs of its unfinished jobs, once each; where there is none yet, it waits for the job
    /// that is declared next for that VM. False where nobody has it yet.
    pub fn note_vm(&mut self, now: Now, vm_path: &str, note: Note) -> bool {
        if vm_path.is_empty() {
            return false;
        }
        let is_meant = |entry: &Entry| entry.job.vm.path == vm_path && !entry.job.status.is_final();
        let jobs: Vec<JobId> = self.jobs.values().filter(|entry| is_meant(entry)).map(|it| it.job.id.clone()).collect();
        for id in &jobs {
            self.note_look(now, id, note.clone());
        }
        if jobs.is_empty() {
            self.unclaimed.keep(now, vm_path, note);
        }
        !jobs.is_empty()
    }

    /// Gives a job that has just become known the notes that waited for its VM.
    pub(super) fn claim_notes(&mut self, now: Now, id: &JobId) {
        let Some(path) = self.jobs.get(id).map(|entry| entry.job.vm.path.clone()) else { return };
        for note in self.unclaimed.claim(now, &path) {
            self.note_look(now, id, note);
        }
    }

    fn note_look(&mut self, now: Now, id: &JobId, note: Note) {
        let Some(Entry { job, told, .. }) = self.jobs.get_mut(id) else { return };
        let disk = note.attributes.iter().find(|(key, _)| *key == "disk").map(|(_, disk)| disk);
        // A mover that asks again says nothing new; what it was given tells.
        if told.list().looks.is_first(&format!("{} {disk:?}", note.event.stored_name()), limits::DISKS_PER_JOB) {
            self.journal.note(now, job, note.event, note.message, note.attributes);
        }
    }

    /// The correlation id of the one unfinished job of a VM.
    pub fn correlation_of_vm(&self, vm_path: &str) -> Option<CorrelationId> {
        let is_meant = |job: &&Job| !vm_path.is_empty() && job.vm.path == vm_path && !job.status.is_final();
        let mut jobs = self.jobs.values().map(|entry| &*entry.job).filter(is_meant);
        let (only, None) = (jobs.next()?, jobs.next()) else { return None };
        only.correlation.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::disk::Disk;
    use crate::model::id::{Alias, Epoch, ExportName, VmaName};
    use crate::model::job::Vm;
    use crate::model::request::{Declaration, DeclaredDisk, Outcome, Push};
    use crate::model::time::{Mono, Wall};
    use crate::policy::source::SourceSettings;

    const ID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";

    fn at(seconds: u64) -> Now {
        let wall = Wall::from_unix_millis(i64::try_from(seconds * 1000).expect("small"));
        Now { mono: Mono::from_millis(seconds * 1000), wall }
    }
    fn job_id(text: &str) -> JobId {
        JobId::parse(text).expect("an id")
    }
    fn report(disk: &str, change_id: &str) -> ChangeIdReport {
        ChangeIdReport {
            change_id: change_id.to_owned(),
            disk: disk.to_owned(),
            previous_change_id: None,
            replaced: false,
        }
    }

    /// A source with `job-1` of the VM `/vm/a`: one disk, a device key, an export, an alias.
    fn source() -> Source {
        let settings = SourceSettings {
            name: VmaName::parse("site-a").expect("a name"),
            epoch: Epoch::parse("epoch-1").expect("an epoch"),
            auto_initialize: true,
            keep_finished: Duration::from_secs(3600),
            failed_grace: Duration::from_secs(120),
            plans: false,
            seed: 1,
        };
        let mut source = Source::resume(settings, 0, Vec::new(), at(0));
        declare(&mut source, at(1), "job-1", "/vm/a");
        source.changes();
        source
    }
    fn declare(source: &mut Source, now: Now, id: &str, path: &str) {
        let disk = DeclaredDisk {
            id: DiskId::parse("scsi0:0").expect("an id"),
            label: None,
            capacity_bytes: None,
            device_key: Some(2000),
            previous_change_id: None,
            export: Some((ExportName::parse(&format!("vol-{id}")).expect("a name"), None)),
        };
        let vm = Some(Vm { name: "a".to_owned(), path: path.to_owned(), uuid: String::new() });
        let aliases = vec![Alias::parse(&format!("alias-{id}")).expect("an alias")];
        let declaration = Declaration { vm, disks: vec![disk], aliases, ..Declaration::default() };
        source.declare(now, &job_id(id), &declaration).expect("taken");
    }
    fn disk(source: &Source, id: &str) -> Disk {
        source.job(&job_id(id)).expect("known").disks[0].clone()
    }
    /// Events and messages among the changes, and whether the change id itself is kept.
    fn told(source: &mut Source) -> (Vec<(Event, String)>, bool) {
        let changes = source.changes();
        let is_kept = changes.iter().any(|change| matches!(change, Change::ChangeIdSpooled(_)));
        let entries = changes.into_iter().filter_map(|change| match change {
            Change::Entry(entry) => Some((entry.event, entry.message)),
            _ => None,
        });
        (entries.collect(), is_kept)
    }

    #[test]
    fn a_change_id_finds_its_disk_by_every_name_of_its_job() {
        // By its id and device key, by alias, and by the export's name, which names the disk as well.
        for (path, disk_id) in [("job-1", "disk-2000"), ("alias-job-1", "scsi0:0"), ("vol-job-1", "")] {
            let mut source = source();
            let sequence = source.listing(at(2), 0, None).sequence;
            assert_eq!(source.change_id(at(2), path, &report(disk_id, ID), None), Some(job_id("job-1")), "{path}");
            let entry = (Event::ChangeIdReceived, format!("change id of disk scsi0:0: {ID}"));
            assert_eq!(told(&mut source), (vec![entry], true), "{path}");
            assert_eq!(disk(&source, "job-1").change_id.expect("kept").as_str(), ID);
            let listing = source.listing(at(2), sequence, None);
            assert_eq!(listing.jobs.len(), 1, "the OMA's next poll brings it");
            assert_eq!(listing.jobs[0].updated_at, Some(at(2).wall), "the source has reported (R-8)");
        }
    }

    #[test]
    fn what_is_for_nobody_is_kept_all_the_same() {
        let mut source = source();
        for path in ["nobody", "", &"x".repeat(300)] {
            assert_eq!(source.change_id(at(2), path, &report("disk-2000", ID), None), None);
            assert_eq!(told(&mut source), (Vec::new(), true), "{path}");
        }
        assert_eq!(source.change_id(at(2), "job-1", &report("disk-9", "*"), None), Some(job_id("job-1")));
        let (entries, is_kept) = told(&mut source);
        assert_eq!((entries[0].0, is_kept), (Event::ChangeIdSuspect, true));
        assert_eq!(disk(&source, "job-1").change_id, None);
    }

    #[test]
    fn a_finished_run_stays_as_it_is_and_the_present_one_gets_the_id() {
        let mut source = source();
        source.finish(at(2), &job_id("job-1"), &Outcome::Failed("no".to_owned())).expect("ended");
        source.changes();
        source.change_id(at(3), "job-1", &report("disk-2000", ID), None);
        assert_eq!(told(&mut source).0.first().map(|entry| entry.0), Some(Event::ChangeIdReceived));
        assert_eq!(disk(&source, "job-1").change_id, None, "what has ended does not change (R-42)");
        let start = Push { stage: "Initializing".to_owned(), ..Push::default() };
        source.push(at(4), &job_id("job-1"), &start).expect("a new run (R-40)");
        assert_eq!(source.change_id(at(5), "job-1", &report("disk-2000", ID), None), Some(job_id("job-1~2")));
        assert_eq!(
            (disk(&source, "job-1").change_id.is_none(), disk(&source, "job-1~2").change_id.is_some()),
            (true, true)
        );
    }

    #[test]
    fn f38_who_could_not_ask_is_noted_with_every_unfinished_job_of_the_vm_or_with_the_next() {
        let mut source = source();
        let note = || crate::policy::spool::unasked("disk-2000", "connect: connection refused", None);
        assert!(source.note_vm(at(2), "/vm/a", note()));
        assert!(source.note_vm(at(3), "/vm/a", note()), "a mover that asks again");
        let (entries, _) = told(&mut source);
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(
            entries[0].1.contains("connection refused") && entries[0].1.contains("copies everything"),
            "{entries:?}"
        );
        assert!(!source.note_vm(at(4), "", note()), "the empty path is every VM's that has none (F34)");
        assert!(!source.note_vm(at(4), "/vm/b", note()));
        assert_eq!(told(&mut source).0, []);
        declare(&mut source, at(9), "job-2", "/vm/b");
        let messages: Vec<String> = told(&mut source).0.into_iter().map(|(_, message)| message).collect();
        let claimed = |message: &&String| message.starts_with("at 1970-01-01T00:00:04.000Z, before this job was known");
        assert_eq!(messages.iter().filter(claimed).count(), 1, "{messages:#?}");
    }
}
