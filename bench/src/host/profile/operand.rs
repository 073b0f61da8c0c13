// SPDX-License-Identifier: MIT OR Apache-2.0
//! Operands of instructions as QEMU's disassembler writes them: which memory one means, and whether that is written.

/// Names of the general registers in QEMU's dumps.
pub(super) const REGISTERS: [&str; 16] = [
    "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP", "R8 ", "R9 ", "R10", "R11", "R12",
    "R13", "R14", "R15",
];

/// What the general registers hold.
pub(super) type Registers = [u64; REGISTERS.len()];

/// An access to memory that an instruction makes by a base register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) address: u64,
    /// The address is one of this processor's own area.
    pub(super) per_cpu: bool,
    pub(super) on_stack: bool,
    pub(super) reads: bool,
    pub(super) writes: bool,
    /// The general register that is loaded from there, added to, or stored.
    pub(super) register: Option<usize>,
    /// What an addition adds to.
    pub(super) before: u64,
}

/// The access that an instruction makes, given what the registers held before.
pub(super) fn access(text: &str, registers: &Registers) -> Option<Access> {
    let text = text.trim().trim_start_matches("lock ");
    let (mnemonic, operands) = text.split_once(char::is_whitespace)?;
    if ["lea", "nop", "prefetch", "push", "pop"]
        .iter()
        .any(|none| mnemonic.starts_with(none))
    {
        return None;
    }
    let operands = split(operands);
    let place = operands.iter().position(|operand| operand.contains('('))?;
    let operand = operands[place].trim_start_matches('*');
    let (before, inside) = operand.split_once('(')?;
    let (segment, displacement) = match before.strip_prefix("%gs:") {
        Some(rest) => (true, rest),
        None => (false, before),
    };
    let mut parts = inside.trim_end_matches(')').split(',').map(str::trim);
    let base = parts.next().filter(|name| !name.is_empty());
    if base == Some("%rip") {
        return None;
    }
    let value = |name: Option<&str>| name.and_then(number_of).map(|number| registers[number]);
    let mut address = number(displacement).wrapping_add(value(base).unwrap_or(0));
    let index = value(parts.next()).unwrap_or(0);
    let scale = parts
        .next()
        .and_then(|scale| scale.parse().ok())
        .unwrap_or(1u64);
    address = address.wrapping_add(index.wrapping_mul(scale));
    let is_last = place + 1 == operands.len() && operands.len() > 1 || alone(mnemonic);
    let only_reads = ["cmp", "test", "bt"]
        .iter()
        .any(|word| mnemonic.starts_with(word))
        && !mnemonic.starts_with("cmpxchg");
    let is_move = mnemonic.starts_with("mov");
    let exchanges = mnemonic.starts_with("xchg");
    let writes = is_last && !only_reads || exchanges;
    let other = operands.iter().find(|operand| operand.starts_with('%'));
    let adds = mnemonic.starts_with("add") && !writes;
    let register = other
        .filter(|_| is_move || exchanges || adds)
        .and_then(|name| number_of(name));
    let before = register.filter(|_| adds).map(|number| registers[number]);
    Some(Access {
        address,
        per_cpu: segment,
        on_stack: base == Some("%rsp") || base == Some("%rbp") && near(address, registers[7]),
        reads: !(writes && is_move),
        writes,
        register,
        before: before.unwrap_or(0),
    })
}

/// Whether an instruction with one operand changes it.
fn alone(mnemonic: &str) -> bool {
    ["inc", "dec", "neg", "not", "set"]
        .iter()
        .any(|word| mnemonic.starts_with(word))
}

fn near(address: u64, stack: u64) -> bool {
    address.abs_diff(stack) < 16 * 1024
}

/// Operands, at the commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn number(text: &str) -> u64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    let value = value.unwrap_or(0);
    if negative {
        value.wrapping_neg()
    } else {
        value
    }
}

/// Number of a 64-bit register by its name in an operand.
fn number_of(name: &str) -> Option<usize> {
    let name = name.strip_prefix('%')?.to_ascii_uppercase();
    REGISTERS.iter().position(|known| known.trim_end() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> Registers {
        std::array::from_fn(|number| 0x1000 * (number as u64 + 1))
    }

    #[test]
    fn a_load_reads_where_its_registers_point() {
        let load = access("movq     -0x10(%rbx,%rcx,8), %rax", &registers()).expect("an access");
        assert_eq!(load.address, 0x2000 + 8 * 0x3000 - 0x10);
        assert_eq!(
            (load.reads, load.writes, load.per_cpu),
            (true, false, false)
        );
        assert_eq!(load.register, Some(0));
    }

    #[test]
    fn a_store_only_writes_and_an_addition_does_both() {
        let store = access("movq     %rdx, 0x48(%rdi)", &registers()).expect("an access");
        assert_eq!(
            (store.reads, store.writes, store.register),
            (false, true, Some(3))
        );
        let add = access("addq     $1, %gs:(%r8)", &registers()).expect("an access");
        assert_eq!((add.reads, add.writes, add.per_cpu), (true, true, true));
        assert_eq!((add.address, add.register), (0x9000, None));
    }

    #[test]
    fn an_addition_to_a_register_tells_what_it_held() {
        let add = access("addq     0x18(%rdi), %rax", &registers()).expect("an access");
        assert_eq!((add.reads, add.writes), (true, false));
        assert_eq!((add.register, add.before), (Some(0), 0x1000));
    }

    #[test]
    fn a_comparison_only_reads() {
        let compare = access("cmpb     $0, 0x14(%rsi)", &registers()).expect("an access");
        assert_eq!((compare.reads, compare.writes), (true, false));
        let exchange = access("lock cmpxchgq %rcx, %gs:(%rdx)", &registers()).expect("an access");
        assert_eq!((exchange.reads, exchange.writes), (true, true));
    }

    #[test]
    fn what_only_works_out_an_address_is_no_access() {
        assert_eq!(access("leaq     0x10(%rax), %rbx", &registers()), None);
        assert_eq!(access("callq    0xffffffff81000005", &registers()), None);
        assert_eq!(access("nopw     (%rax,%rax)", &registers()), None);
    }
}
