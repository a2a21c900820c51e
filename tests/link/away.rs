//! A link that is down while a mover works (F38). Goal: no full copy unsaid, no change id lost, no mover that waits.
//! Method: what forwards the link's bytes ends and starts again, while both appliances run on.

use std::time::{Duration, Instant};

use crate::harness::{SOON, until};
use crate::plant::{Dials, Plant};
use crate::run::{DISK, Run};
use crate::ways::haproxy;

const DOWN: &str = "has ended: ";
/// What a mover waits for an answer, with room for one that is not ours.
const MOVERS_PATIENCE: Duration = Duration::from_secs(4);

#[test]
fn f38_a_mover_that_asks_while_the_link_is_down_is_told_so_and_its_change_ids_arrive_when_it_is_back() {
    for dials in Dials::BOTH {
        let plant = Plant::new();
        let (place, target) = (plant.free_place(), dials.target(&plant));
        let forwards = haproxy(&plant, place, target);
        dials.configure(&plant, place, None);
        let daemons = plant.start();
        Run::to_its_end(&plant, "first-run");
        let mut next = Run::begin_again(&plant, "next-run", "first-run");
        assert_eq!(next.ask(0).0, Run::change_id(0), "the OMA's own answer");

        drop(forwards);
        until("the dialler has noticed", SOON, || dials.of(&daemons).log().contains(DOWN).then_some(()));
        let ask = |disk: usize| {
            let started = Instant::now();
            let answer = next.ask(disk);
            assert!(started.elapsed() < MOVERS_PATIENCE, "{dials:?}: {:?}", started.elapsed());
            println!("{dials:?} dials, an answer while the link is down: {:.2} s", started.elapsed().as_secs_f64());
            answer
        };
        // What the OMA has said once is as good; an older id only copies more.
        let (change_id, message) = ask(0);
        assert_eq!(change_id, Run::change_id(0), "{message}");
        assert!(message.starts_with("remembered: the OMA answered so at 20"), "{message}");
        // Of what nobody has asked yet nothing is known, and that is said, to the mover and in the job's log.
        let (change_id, message) = ask(1);
        assert_eq!(change_id, "");
        assert!(message.starts_with("copy everything: the OMA cannot be asked"), "{message}");
        let told = |event: &str| {
            let sql = format!("SELECT message FROM job_events WHERE job_id = 'next-run' AND event = '{event}'");
            plant.site.rows_of("vma.db", &sql)
        };
        let said = told("change_id_not_asked");
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].contains("disk \"disk-2001\"") && said[0].contains("copies everything"), "{said:#?}");
        assert_eq!(told("change_id_remembered").len(), 1);

        for disk in [0, 1] {
            next.push_bytes(DISK / 2);
            next.complete(disk);
            let what = format!("the log tells of {} that wait", disk + 1);
            until(&what, SOON, || (told("change_id_delayed").len() == disk + 1).then_some(()));
        }
        assert!(!next.has_bytes(2 * DISK), "the link is down");

        let back = Instant::now();
        let _forwards = haproxy(&plant, place, target);
        next.patience = Duration::from_secs(40);
        next.ends();
        println!("{dials:?} dials, until change ids and end have arrived: {:.2} s", back.elapsed().as_secs_f64());
        assert_eq!(told("change_id_forwarded").len(), 2);
        let received = plant.site.rows("SELECT disk_id FROM received_change_ids WHERE job_id = 'next-run' ORDER BY id");
        assert_eq!(received, ["disk-2000", "disk-2001"], "in their order, each once");
        assert_eq!(next.ask(1).0, Run::change_id(1), "whoever asks is answered again");
    }
}
