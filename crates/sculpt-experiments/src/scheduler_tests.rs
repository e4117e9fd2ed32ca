//! The state machine by hand, and the loop with workers that do nothing, die, or find a node taken.

use super::*;
use crate::{Criterion, Init, Node, Prune, StateRef, Version};
use sculpt_masks::Density;
use sculpt_models::{InitRule, ModelSpec};
use std::cell::RefCell;

/// Two networks, each pruned twice: two chains of three nodes.
fn recipe() -> (Recipe, [[NodeId; 3]; 2]) {
    let mut recipe = Recipe::default();
    let chains = [1, 2].map(|seed| {
        let init = Init {
            v: Version,
            model: ModelSpec::named("resnet8", 3, Some(2), None).unwrap(),
            rule: InitRule::KaimingNormalFanIn,
            seed,
            draw: 0,
        };
        let first = recipe.add(Node::Init(init), 1);
        let mut prune = |from: &StateRef, density| {
            let prune = Prune {
                v: Version,
                from: from.clone(),
                criterion: Criterion::Magnitude,
                density: Density::new(density).unwrap(),
            };
            recipe.add(Node::Prune(prune), 1)
        };
        let second = prune(&first, 0.5);
        let third = prune(&second, 0.25);
        [first.id, second.id, third.id]
    });
    (recipe, chains)
}

fn done(id: &NodeId) -> Event {
    Event::Done { id: id.clone() }
}

fn failed(id: &NodeId, error: &str) -> Event {
    Event::Failed {
        id: id.clone(),
        error: error.to_owned(),
    }
}

#[test]
fn a_failed_node_fails_only_what_depends_on_it() {
    let (recipe, [first, second]) = recipe();
    let mut board = Board::new(&recipe, |_, _| false);
    assert_eq!(board.next_chain(12), Some(first.to_vec()));
    assert_eq!(board.next_chain(12), Some(second.to_vec()));
    assert_eq!(board.next_chain(12), None);
    board.take(&done(&first[0]));
    board.take(&failed(&first[1], "no"));
    board.close(&first, None);
    // What another process made is done, and not run here.
    board.take(&Event::Found {
        id: second[0].clone(),
    });
    second[1..].iter().for_each(|id| board.take(&done(id)));
    board.close(&second, None);
    assert_eq!(board.next_chain(12), None);
    assert_eq!((board.n_run(), board.n_done(), board.n_cut()), (3, 4, 1));
    assert_eq!(board.failed(), [(first[1].clone(), "no".to_owned())]);
}

#[test]
fn a_job_that_dies_fails_the_node_that_it_was_at() {
    let (recipe, [first, _]) = recipe();
    let mut board = Board::new(&recipe, |_, _| false);
    board.next_chain(12);
    board.take(&done(&first[0]));
    board.close(&first, Some("its process ended with signal: 9"));
    let why = "its process ended with signal: 9".to_owned();
    assert_eq!(board.failed(), [(first[1].clone(), why)]);
    assert_eq!(board.n_cut(), 1);
}

/// What is done needs no job, and what a stopped job did not reach is ready again.
#[test]
fn chains_go_on_where_they_stand() {
    let (recipe, [first, second]) = recipe();
    let mut board = Board::new(&recipe, |id, _| first[..2].contains(id));
    assert_eq!((board.n_open_at_start(), board.epochs_total()), (4, 0));
    assert_eq!(board.next_chain(12), Some(first[2..].to_vec()));
    assert_eq!(board.next_chain(2), Some(second[..2].to_vec()));
    assert_eq!(board.next_chain(2), None, "the third waits for the second");
    board.take(&done(&second[0]));
    board.close(&second[..2], None);
    assert_eq!(board.next_chain(12), Some(second[1..].to_vec()));
}

/// A worker of two jobs: it finds the nodes of `taken` held by others the first time, and does all others at once.
struct Instant<'a> {
    taken: RefCell<Vec<NodeId>>,
    jobs: Vec<(JobNumber, Vec<NodeId>)>,
    n: usize,
    order: &'a RefCell<Vec<NodeId>>,
}

impl Worker for Instant<'_> {
    type Error = std::convert::Infallible;

    fn start(&mut self, chain: &[NodeId]) -> Result<JobNumber, Self::Error> {
        self.n += 1;
        self.jobs.push((self.n, chain.to_vec()));
        Ok(self.n)
    }

    fn poll(&mut self, _: Duration) -> Result<Vec<(JobNumber, Report)>, Self::Error> {
        let mut reports = Vec::new();
        for (job, chain) in self.jobs.drain(..) {
            for id in chain {
                let mut taken = self.taken.borrow_mut();
                if let Some(place) = taken.iter().position(|t| *t == id) {
                    taken.remove(place);
                    reports.push((job, Report::Event(Event::Held { id })));
                    break;
                }
                self.order.borrow_mut().push(id.clone());
                reports.push((job, Report::Event(done(&id))));
            }
            reports.push((job, Report::Ended { died: None }));
        }
        Ok(reports)
    }

    fn stop(&mut self) {}

    fn capacity(&self) -> usize {
        2
    }
}

/// A node that another process is at is never failed: it is tried again, or found done.
#[test]
fn held_nodes_are_tried_again_or_found_done() {
    for found_done in [false, true] {
        let (recipe, [first, second]) = recipe();
        let order = RefCell::default();
        let mut worker = Instant {
            taken: RefCell::new(vec![first[1].clone()]),
            jobs: Vec::new(),
            n: 0,
            order: &order,
        };
        let mut board = Board::new(&recipe, |_, _| false);
        let is_done = |id: &NodeId, _: &Entry| found_done && *id == first[1];
        let stop = AtomicBool::new(false);
        let Ok(end) = drive(&mut board, &mut worker, &stop, &is_done, &mut |_, _| {});
        assert_eq!(end, Drive::Finished);
        assert_eq!((board.failed().len(), board.n_cut()), (0, 0));
        // What others did is done, and this process did not run it.
        let all = board.n_open_at_start();
        assert_eq!((board.n_done(), board.n_held()), (all, 0));
        assert_eq!(board.n_run(), all - usize::from(found_done));
        let order = order.borrow();
        let place = |id| order.iter().position(|o| o == id);
        assert_eq!(place(&first[1]).is_none(), found_done);
        assert!(place(&first[0]) < place(&first[2]) && place(&first[2]).is_some());
        assert!(second.iter().all(|id| place(id).is_some()));
    }
}

/// Every node is begun exactly once, and never before its parents are done, however short the chains.
#[test]
fn parents_come_first() {
    let (recipe, _) = recipe();
    for longest in 1..4 {
        let mut board = Board::new(&recipe, |_, _| false);
        let mut finished: BTreeSet<NodeId> = BTreeSet::new();
        while let Some(chain) = board.next_chain(longest) {
            for id in &chain {
                let entry = recipe.get(id).unwrap();
                assert!(entry.node.parents().iter().all(|p| finished.contains(&p.id)));
                assert!(finished.insert(id.clone()), "{id} twice");
                board.take(&done(id));
            }
            board.close(&chain, None);
        }
        assert_eq!(finished.len(), recipe.len());
    }
}

/// A recipe may leave out what stands behind a state that is there: its nodes are ready at once.
#[test]
fn parents_outside_the_recipe_are_done() {
    let (recipe, [first, second]) = recipe();
    let state = |id: &NodeId| StateRef {
        id: id.clone(),
        epoch: 0,
    };
    let needed = recipe.needed([&state(&first[2])], |there| there.id == first[1]);
    assert!(needed.get(&first[0]).is_none() && needed.get(&second[0]).is_none());
    let mut board = Board::new(&needed, |id, _| *id == first[1]);
    assert_eq!(board.next_chain(12), Some(vec![first[2].clone()]));
    let mut board = Board::new(&needed, |_, _| false);
    assert_eq!(board.next_chain(12), Some(first[1..].to_vec()));
}
