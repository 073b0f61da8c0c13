// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns executed instructions into functions and call stacks of one I/O.

use std::collections::BTreeMap;

use super::trace::Code;
use crate::record::Symbol;

/// The system call of an I/O begins here.
const ENTRY: &str = "entry_SYSCALL_64";

/// A system call that passes through here is an I/O to a block device.
const MARK: &str = "blkdev_read_iter";

/// Names of addresses.
pub(super) struct Names {
    /// In the order of their addresses.
    symbols: Vec<Symbol>,
    shown: Vec<String>,
}

impl Names {
    /// From symbols in any order.
    pub(super) fn new(mut symbols: Vec<Symbol>) -> Self {
        symbols.sort_by_key(|symbol| symbol.start);
        let shown = symbols.iter().map(shown).collect();
        Self { symbols, shown }
    }

    /// Number of the symbol that holds an address.
    fn number(&self, address: u64) -> Option<usize> {
        let place = self
            .symbols
            .partition_point(|symbol| symbol.start <= address);
        let number = place.checked_sub(1)?;
        (address < self.symbols[number].end).then_some(number)
    }
}

impl Names {
    fn symbol(&self, address: u64) -> Option<&Symbol> {
        self.number(address).map(|number| &self.symbols[number])
    }

    /// Whether an address is in a module.
    pub(super) fn is_in(&self, address: u64, module: &str) -> bool {
        let symbol = self.symbol(address);
        symbol.is_some_and(|symbol| symbol.module.as_deref() == Some(module))
    }

    /// Whether an address is where a function begins whose name has a text in it.
    pub(super) fn begins(&self, address: u64, text: &str) -> bool {
        let symbol = self.symbol(address);
        symbol.is_some_and(|symbol| symbol.start == address && symbol.name.contains(text))
    }
}

/// A name for people, with its module: of a Rust function its own name and that of the file that it is in.
fn shown(symbol: &Symbol) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(&symbol.name));
    let plain = name.split("::<").next().unwrap_or_default();
    let short = match plain.rmatch_indices("::").nth(1) {
        // The path of a method of a trait is in brackets, which cannot be cut.
        Some((place, _)) if !plain.starts_with('<') => &plain[place + 2..],
        _ => plain,
    };
    match &symbol.module {
        Some(module) => format!("{short} [{module}]"),
        None => short.to_owned(),
    }
}

/// Where the instructions of one I/O go, of those that took the median number of them. The others met what comes once a timer
/// tick or once a page: a mean would depend on how many of these few fell among the watched.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    /// I/Os that were found alike.
    pub(crate) ios: usize,
    /// Instructions of one I/O.
    pub(crate) total: f64,
    /// Instructions in each function itself.
    pub(crate) functions: BTreeMap<String, f64>,
    /// Instructions by call stack, the outermost function first.
    pub(crate) stacks: BTreeMap<Vec<String>, f64>,
}

/// Finds the I/Os among executed instructions and adds up what they spent.
pub(super) fn spent(executed: &[u64], code: &Code, names: &Names) -> Spent {
    let mut ios: Vec<(&[u64], Vec<Option<usize>>)> = executed
        .split(|address| *address == 0)
        .map(|call| {
            (
                call,
                call.iter().map(|address| names.number(*address)).collect(),
            )
        })
        .filter(|(_, numbers): &(_, Vec<_>)| is_io(numbers, names))
        .collect();
    ios.sort_by_key(|(call, _)| call.len());
    let median = ios.get(ios.len() / 2).map_or(0, |(call, _)| call.len());
    ios.retain(|(call, _)| call.len() == median);
    let mut spent = Spent {
        ios: ios.len(),
        total: median as f64,
        ..Spent::default()
    };
    for (call, numbers) in &ios {
        add(&mut spent, call, numbers, code, names);
    }
    let ios = spent.ios as f64;
    for figure in spent
        .functions
        .values_mut()
        .chain(spent.stacks.values_mut())
    {
        *figure /= ios;
    }
    spent
}

/// Whether a stay in the kernel is one undisturbed I/O.
fn is_io(numbers: &[Option<usize>], names: &Names) -> bool {
    let name = |number: &Option<usize>| match number {
        Some(number) => names.symbols[*number].name.as_str(),
        None => "",
    };
    let is_interrupt =
        |name: &str| name.starts_with("asm_sysvec_") || name.starts_with("asm_common_interrupt");
    numbers.first().map(name) == Some(ENTRY)
        && numbers.iter().any(|number| name(number) == MARK)
        && !numbers.iter().any(|number| is_interrupt(name(number)))
}

fn add(spent: &mut Spent, call: &[u64], numbers: &[Option<usize>], code: &Code, names: &Names) {
    // Callers, and where each is returned to.
    let mut stack: Vec<(usize, u64)> = Vec::new();
    let mut by_stack: BTreeMap<Vec<usize>, u64> = BTreeMap::new();
    for (address, number) in call.iter().zip(numbers) {
        if let Some(depth) = stack.iter().rposition(|(_, back)| back == address) {
            stack.truncate(depth);
        }
        let Some(number) = *number else { continue };
        let mut path: Vec<usize> = stack.iter().map(|(caller, _)| *caller).collect();
        path.push(number);
        *by_stack.entry(path).or_default() += 1;
        if let Some(back) = code.returns_to(*address) {
            stack.push((number, back));
        }
    }
    for (path, count) in by_stack {
        let count = count as f64;
        let name = |number: &usize| names.shown[*number].clone();
        if let Some(last) = path.last() {
            *spent.functions.entry(name(last)).or_default() += count;
        }
        // An indirect call passes through a thunk, which is no caller.
        let (last, callers) = path.split_last().expect("a path has its own function");
        let callers = callers
            .iter()
            .map(name)
            .filter(|name| !name.contains("__x86_indirect_thunk"));
        let path = callers.chain([name(last)]).collect();
        *spent.stacks.entry(path).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, start: u64, end: u64) -> Symbol {
        Symbol {
            start,
            end,
            name: name.to_owned(),
            module: None,
        }
    }

    #[test]
    fn a_rust_function_is_shown_without_its_generics() {
        let mut function = symbol("_ZN5shunt4hook6attach17h0123456789abcdefE", 0, 1);
        function.module = Some("shunt".to_owned());
        assert_eq!(shown(&function), "hook::attach [shunt]");
    }

    #[test]
    fn a_system_call_that_an_interrupt_fell_into_is_left_out() {
        let names = Names::new(vec![
            symbol(ENTRY, 100, 200),
            symbol(MARK, 200, 300),
            symbol("asm_sysvec_apic_timer_interrupt", 300, 400),
        ]);
        let executed = [100, 200, 0, 100, 200, 300, 0, 100, 201, 0];
        let spent = spent(&executed, &Code::default(), &names);
        assert_eq!(spent.ios, 2);
        assert_eq!(spent.total, 2.0);
        assert_eq!(spent.functions[MARK], 1.0);
    }

    #[test]
    fn a_rare_long_io_changes_nothing() {
        let names = Names::new(vec![symbol(ENTRY, 100, 200), symbol(MARK, 200, 300)]);
        let usual = [100, 200, 201, 0];
        let long: Vec<u64> = [100].into_iter().chain(200..290).chain([0]).collect();
        let executed = [&usual[..], &long, &usual, &usual].concat();
        let spent = spent(&executed, &Code::default(), &names);
        assert_eq!((spent.ios, spent.total), (3, 3.0));
        assert_eq!(spent.functions[MARK], 2.0);
    }
}
