// SPDX-License-Identifier: MIT OR Apache-2.0
//! Verified I/O: a lane is a thread that writes and reads blocks of its own on a device, and knows what each holds.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shunt::Client;

use super::super::direct::{Buffer, Direct};
use super::stack::Stack;
use crate::crash::{BLOCK, fill, number};
use crate::random::LEVELS;
use crate::random::place::BLOCKS;
use crate::random::sequence::Random;

/// Lanes of a device.
pub(super) const LANES: usize = 2;

/// Blocks of a lane.
const OWN: u64 = BLOCKS / (LEVELS * LANES) as u64;

/// Most blocks of a read or a write.
const LONGEST: u64 = 8;

/// Which generation of a block is the next.
static NEXT: AtomicU64 = AtomicU64::new(2);

/// What fills a block, of its generation and its place in the device.
pub(super) fn stamp(generation: u64, block: u64) -> u64 {
    generation * BLOCKS + block
}

/// What a block may hold: a generation, or one of those whose write ended with an error.
struct Holds {
    sure: u64,
    maybe: Vec<u64>,
}

/// What the blocks of a lane hold.
pub(super) struct Content {
    stack: usize,
    first: u64,
    blocks: Vec<Holds>,
    ios: u64,
}

impl Content {
    fn new(stack: usize, level: usize, lane: usize) -> Self {
        let blocks = (0..OWN).map(|_| Holds {
            sure: 1,
            maybe: Vec::new(),
        });
        Self {
            stack,
            first: (level * LANES + lane) as u64 * OWN,
            blocks: blocks.collect(),
            ios: 0,
        }
    }

    /// How many reads and writes there were.
    pub(super) fn ios(&self) -> u64 {
        self.ios
    }

    /// Looks for all that was written, on the drives themselves.
    #[track_caller]
    pub(super) fn verify_below(&self, stack: &Stack) {
        for (index, holds) in self.blocks.iter().enumerate() {
            let block = self.first + index as u64;
            let bytes = stack.read_below(block);
            self.verify(
                block,
                holds,
                &bytes,
                &format!("the drives of stack {}", self.stack),
            );
        }
    }

    /// The generation that a block holds, which has to be one that it may.
    #[track_caller]
    fn verify(&self, block: u64, holds: &Holds, bytes: &[u8], place: &str) -> u64 {
        let (stack, sure) = (self.stack, holds.sure);
        let found = number(bytes, stack, 0);
        if let Some(found) = found {
            let (generation, of) = (found / BLOCKS, found % BLOCKS);
            if of == block && (generation == sure || holds.maybe.contains(&generation)) {
                return generation;
            }
        }
        let maybe = match holds.maybe.as_slice() {
            [] => String::new(),
            failed => format!(" or what a failed write left, one of {failed:?}"),
        };
        let found = match found {
            Some(found) => format!("block {} of generation {}", found % BLOCKS, found / BLOCKS),
            None if number(bytes, stack, 1).is_some() => "what a move left behind".to_owned(),
            None => format!("something else, beginning with {:02x?}", &bytes[..16]),
        };
        panic!("{place}: block {block} should hold generation {sure}{maybe}, and holds {found}");
    }

    fn indices(&self, blocks: &Range<u64>) -> Range<usize> {
        (blocks.start - self.first) as usize..(blocks.end - self.first) as usize
    }

    fn write(&mut self, file: &Direct, blocks: Range<u64>) -> io::Result<()> {
        let generation = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Buffer::zeroed((blocks.end - blocks.start) as usize * BLOCK);
        for (block, bytes) in blocks.clone().zip(bytes.chunks_exact_mut(BLOCK)) {
            fill(bytes, self.stack, 0, stamp(generation, block));
        }
        let written = whole(
            file.try_write(blocks.start * BLOCK as u64, &bytes),
            bytes.len(),
        );
        let indices = self.indices(&blocks);
        for holds in &mut self.blocks[indices] {
            match written {
                Ok(()) => {
                    *holds = Holds {
                        sure: generation,
                        maybe: Vec::new(),
                    }
                }
                Err(_) => holds.maybe.push(generation),
            }
        }
        written
    }

    #[track_caller]
    fn read(&mut self, file: &Direct, blocks: Range<u64>, place: &str) -> io::Result<()> {
        let length = (blocks.end - blocks.start) as usize * BLOCK;
        let bytes = file.try_read(blocks.start * BLOCK as u64, length)?;
        whole(Ok(bytes.len()), length)?;
        for (block, bytes) in blocks.clone().zip(bytes.chunks_exact(BLOCK)) {
            let index = (block - self.first) as usize;
            let sure = self.verify(block, &self.blocks[index], bytes, place);
            self.blocks[index] = Holds {
                sure,
                maybe: Vec::new(),
            };
        }
        Ok(())
    }
}

/// A part of what was asked for is an error.
fn whole(moved: io::Result<usize>, length: usize) -> io::Result<()> {
    match moved? {
        moved if moved == length => Ok(()),
        moved => Err(io::Error::other(format!("only {moved} of {length} bytes"))),
    }
}

/// Writes and reads until it is `done`; gives what the blocks hold then.
pub(super) fn exercise(
    stack: &Stack,
    level: usize,
    lane: usize,
    seed: u64,
    done: &AtomicBool,
) -> Content {
    let user = 1000 + (stack.number() * LEVELS + level) * LANES + lane;
    let mut random = Random::new(seed, user as u64);
    let mut client = Client::connect().expect("the module is loaded");
    let mut content = Content::new(stack.number(), level, lane);
    let place = format!("device {level} of stack {}", stack.number());
    let is_done = || done.load(Ordering::Relaxed);
    while !is_done() {
        let cuts = stack.cuts(level);
        let Some(file) = stack.open(&mut client, level) else {
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        for _ in 0..random.below(200) {
            if is_done() {
                break;
            }
            let length = 1 + random.below(LONGEST);
            let start = content.first + random.below(OWN - length + 1);
            let blocks = start..start + length;
            let begun = Instant::now();
            let (what, write, ended) = match random.below(20) {
                0 => ("a flush", true, file.flush()),
                1..=9 => ("a read", false, content.read(&file, blocks.clone(), &place)),
                _ => ("a write", true, content.write(&file, blocks.clone())),
            };
            content.ios += 1;
            let Err(why) = ended else {
                assert!(
                    what != "a write" || !stack.was_read_only(level, begun),
                    "{place}: {what} of blocks {blocks:?} was taken, and the device is read-only"
                );
                // The commands are to have a share of the machine, too.
                thread::sleep(Duration::from_millis(random.below(4)));
                continue;
            };
            let excused = stack.cuts(level) != cuts || stack.might_fail(level, write, begun);
            assert!(
                excused,
                "{place}: {what} of blocks {blocks:?} failed, and nothing gave a reason: {why}"
            );
            break;
        }
        drop(file);
        thread::sleep(Duration::from_millis(random.below(20)));
    }
    content
}
