//! `waybill plan`: how much there is to copy of a VM's disks, what that rests on, and whether their change ids can be
//! trusted: a line a disk, below them what is to be said, and as JSON.

use nanoserde::SerJson;

use super::grid::{self, Column};
use super::paint::Tone;
use super::units;
use super::wrap::{self, Line};
use crate::model::id::ChangeId;
use crate::model::plan::{DiskPlan, Verdict, VmPlan};

/// The plan for people. `width` is the terminal's; `None` gives every line the space that it needs.
pub fn table(plan: &VmPlan, width: Option<usize>, colour: bool) -> String {
    let width = width.unwrap_or(usize::MAX);
    let mut lines = vec![heading(plan)];
    lines.extend(grid::lines(&columns(&plan.disks)));
    let basis = plan.basis().map_or("", |basis| basis.wire_name());
    let bytes = plan.planned_bytes();
    let disks = units::count(plan.disks.len(), "disk");
    lines.push(Line::new(
        format!("{disks}, {} ({bytes} bytes) to copy, basis {basis}", units::size(bytes)),
        Tone::Plain,
    ));
    for disk in &plan.disks {
        let called = format!("\n{}", called(disk));
        let told = told(disk, width);
        if !told.is_empty() {
            lines.push(Line::new(called, Tone::Head));
            lines.extend(told);
        }
    }
    for missing in &plan.missing {
        let text = format!("\nthe VM has no disk {}: declare its device_key", units::plain(missing.as_str()));
        lines.push(Line::new(text, Tone::Warn));
    }
    lines.iter().map(|line| line.render(width, colour) + "\n").collect()
}

fn heading(plan: &VmPlan) -> Line {
    let snapshot = match &plan.snapshot {
        Some(snapshot) => format!("snapshot {}", units::plain(snapshot)),
        None => "no snapshot".to_owned(),
    };
    Line::new(units::plain(&plan.name), Tone::Head)
        .and(format!("  {}  {snapshot}", units::plain(&plan.vm)), Tone::Plain)
}

fn columns(disks: &[DiskPlan]) -> Vec<Column> {
    let of = |cell: &dyn Fn(&DiskPlan) -> String| disks.iter().map(cell).collect::<Vec<_>>().into_iter();
    vec![
        Column::words("DISK", of(&called)),
        Column::words("LABEL", of(&|disk| units::plain(&disk.label))),
        Column::figures("CAPACITY", of(&|disk| units::size(disk.capacity_bytes))),
        Column::figures("TO COPY", of(&|disk| units::size(disk.planned_bytes))),
        Column::figures("AREAS", of(&|disk| disk.areas.map_or("-".to_owned(), |areas| areas.to_string()))),
        Column::words("BASIS", of(&|disk| disk.basis.wire_name().to_owned())),
        Column::new("VERDICT", disks.iter().map(|disk| (disk.verdict().name().to_owned(), tone(disk.verdict())))),
        Column::words("SINCE", of(&|disk| units::change_id(disk.previous.as_ref()))),
        Column::words("NEXT", of(&|disk| units::change_id(disk.change_id.as_ref()))),
    ]
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Sound => Tone::Good,
        Verdict::Estimated | Verdict::LeftOut => Tone::Warn,
        Verdict::Suspect => Tone::Bad,
    }
}

fn called(disk: &DiskPlan) -> String {
    disk.disk.as_ref().map_or_else(|| format!("disk-{}", disk.key), |id| units::plain(id.as_str()))
}

/// What is to be said of a disk beside its line.
fn told(disk: &DiskPlan, width: usize) -> Vec<Line> {
    let suspect = disk.suspect.iter().map(|text| ("suspect", text, Tone::Bad));
    let reasons = disk.reasons.iter().map(|text| ("why", text, Tone::Plain));
    let texts = suspect.chain(reasons);
    texts.flat_map(|(label, text, tone)| wrap::labelled(label, &units::plain(text), tone, width)).collect()
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct PlanDoc {
    vm_name: String,
    vm_id: String,
    snapshot: Option<String>,
    planned_bytes: u64,
    planned_basis: Option<String>,
    suspect: bool,
    disks: Vec<DiskDoc>,
    missing_disks: Vec<String>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct DiskDoc {
    disk_id: Option<String>,
    device_key: i64,
    label: String,
    capacity_bytes: u64,
    planned_bytes: u64,
    planned_basis: String,
    blocks_changed: Option<u64>,
    previous_change_id: Option<String>,
    change_id: Option<String>,
    verdict: String,
    suspect: Option<String>,
    reasons: Vec<String>,
}

/// The plan for programs: one object on one line, null where unknown.
pub fn json(plan: &VmPlan) -> String {
    let text = |id: &Option<ChangeId>| id.as_ref().map(|id| id.as_str().to_owned());
    let disks = plan.disks.iter().map(|disk| DiskDoc {
        disk_id: disk.disk.as_ref().map(ToString::to_string),
        device_key: disk.key,
        label: disk.label.clone(),
        capacity_bytes: disk.capacity_bytes,
        planned_bytes: disk.planned_bytes,
        planned_basis: disk.basis.wire_name().to_owned(),
        blocks_changed: disk.areas,
        previous_change_id: text(&disk.previous),
        change_id: text(&disk.change_id),
        verdict: disk.verdict().name().to_owned(),
        suspect: disk.suspect.clone(),
        reasons: disk.reasons.clone(),
    });
    let doc = PlanDoc {
        vm_name: plan.name.clone(),
        vm_id: plan.vm.clone(),
        snapshot: plan.snapshot.clone(),
        planned_bytes: plan.planned_bytes(),
        planned_basis: plan.basis().map(|basis| basis.wire_name().to_owned()),
        suspect: plan.is_suspect(),
        disks: disks.collect(),
        missing_disks: plan.missing.iter().map(ToString::to_string).collect(),
    };
    doc.serialize_json()
}
