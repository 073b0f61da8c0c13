// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whatever happens to a move, and whenever the power goes: nothing that was acknowledged is lost.
//!
//! Every state is looked at that two writes, the worker that copies, a drive that fails, and the program that renames the
//! configuration can lead to, each step at any moment. A crash needs no step of its own: in every state it is asked what the next
//! boot would find.

mod relocation {
    pub(crate) mod world;
}

use std::collections::{HashMap, HashSet};

use relocation::world::{Break, Mistake, World};

/// Looks at every state; the way to the first one that must not be, or how many there are.
fn explore(start: World, mistake: Option<Mistake>) -> Result<usize, String> {
    let mut from: HashMap<World, (World, &'static str)> = HashMap::new();
    let mut seen = HashSet::from([start.clone()]);
    let mut left = vec![start];
    while let Some(world) = left.pop() {
        let next = world.steps(mistake);
        if let Err(why) = world.check(next.is_empty()) {
            let shown = format!("{why}: {world:?}");
            return Err(format!("{shown}\n{}", way(&from, world)));
        }
        for (step, next) in next {
            if seen.insert(next.clone()) {
                from.insert(next.clone(), (world.clone(), step));
                left.push(next);
            }
        }
    }
    Ok(seen.len())
}

/// The steps that led to a state.
fn way(from: &HashMap<World, (World, &'static str)>, mut world: World) -> String {
    let mut steps = Vec::new();
    while let Some((before, step)) = from.get(&world) {
        steps.push(*step);
        world = before.clone();
    }
    steps.reverse();
    steps.join(", ")
}

/// Where the two writes are, and what breaks.
fn starts() -> impl Iterator<Item = World> {
    let blocks = (0..3).flat_map(|one| (0..3).map(move |other| [one, other]));
    blocks.flat_map(|blocks| Break::ALL.map(|breaks| World::new(blocks, breaks)))
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_a_move() {
    let mut states = 0;
    for start in starts() {
        states += explore(start, None).unwrap_or_else(|why| panic!("{why}"));
    }
    assert!(states > 10_000, "only {states} states");
}

/// A model that finds none of these would show nothing.
#[test]
fn each_mistake_that_a_move_could_make_is_found() {
    for mistake in Mistake::ALL {
        let found = starts().any(|start| explore(start, Some(mistake)).is_err());
        assert!(found, "{mistake:?} is not found");
    }
}
