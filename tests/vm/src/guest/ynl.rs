// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's own netlink client, which knows of our family what `uapi/shunt.yaml` says: its command line, and its
//! library in a process that takes one request after the other, as a start of Python takes seconds here.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::command::{NOBODY, command, run, run_words};

const INSTALLED: &str = "/usr/lib/ynl/pyynl";
const CLIENT: &str = "/run/pyynl";
const SPEC: &str = "/payload/shunt.yaml";

/// Answers a list [method, argument, ...] a line by what that method of the client gives. The `fd` of a target is the path of
/// what is to be open there.
const SERVER: &str = r#"
import errno, json, os, socket, struct, sys, time
sys.path.append(sys.argv[1])
from lib import NlError, YnlException, YnlFamily

class Client(YnlFamily):
    def ask_in_little_room(self, method, attributes, waiting):
        """What is heard of a request if so many messages wait in a receive buffer that has room for few: whether there was a
        reply, and the error of the acknowledgement. A socket that asks not to be told of losses gets what fits in later."""
        SOL_NETLINK, NO_ENOBUFS, EXT_ACK, ERROR = 270, 5, 11, 2
        self.sock.setsockopt(SOL_NETLINK, NO_ENOBUFS, 1)
        # Without words every acknowledgement is equally short.
        self.sock.setsockopt(SOL_NETLINK, EXT_ACK, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for number in range(waiting):
            self.sock.send(self._encode_message(self.ops["device-get"], {"name": "nobody"}, [], number))
        self.sock.send(self._encode_message(self.ops[method], attributes, [], 1000))
        # It is answered by another task: that is to find no room.
        time.sleep(1)
        heard = {"reply": False, "error": None}
        self.sock.settimeout(0.5)
        try:
            while True:
                try:
                    heard_now = self.sock.recv(1 << 16)
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    continue
                _, kind, _, number, _, error = struct.unpack_from("=IHHIIi", heard_now)
                if number == 1000:
                    heard |= {"error": error} if kind == ERROR else {"reply": True}
        except TimeoutError:
            pass
        self.sock.settimeout(None)
        self.sock.setsockopt(SOL_NETLINK, EXT_ACK, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        return heard

    def hear_nothing_of(self, group):
        """Joins a group with room for nothing, reads nothing, and has its losses be errors of the sender."""
        SOL_NETLINK, BROADCAST_ERROR = 270, 4
        self.sock.setsockopt(SOL_NETLINK, BROADCAST_ERROR, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.ntf_subscribe(group)

family = Client(sys.argv[2], schema="")
for line in sys.stdin:
    method, *arguments = json.loads(line)
    opened = []
    for target in arguments[-1].get("target", []) if method == "do" else []:
        if "fd" in target:
            target["fd"] = os.open(target["fd"], os.O_RDWR)
            opened.append(target["fd"])
    try:
        answer = getattr(family, method)(*arguments)
        answer = {"answer": answer.to_dict() if method == "get_policy" and answer is not None else answer}
    except (NlError, YnlException) as error:
        answer = {"refused": str(error)}
    for file in opened:
        os.close(file)
    print(json.dumps(answer), flush=True)
"#;

/// Puts the client where Python can keep what it compiles, which the read-only root is not.
#[track_caller]
fn install() {
    if !Path::new(CLIENT).exists() {
        run(&format!("cp -r {INSTALLED} {CLIENT}"));
    }
}

/// What the command line of the client dumps with this operation.
#[track_caller]
pub(crate) fn dump_by_command_line(operation: &str) -> Value {
    install();
    let cli = format!("{CLIENT}/cli.py");
    let words = [
        "python3",
        &cli,
        "--spec",
        SPEC,
        "--no-schema",
        "--output-json",
        "--dump",
        operation,
    ];
    let text = run_words(&words);
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why} in {text:?}"))
}

/// The client's library in a process of its own; ended on drop.
pub(crate) struct Ynl {
    child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Ynl {
    /// The client with all privileges.
    pub(crate) fn start() -> Self {
        Self::start_by(&[])
    }

    /// The client without any privilege.
    pub(crate) fn start_as_nobody() -> Self {
        let user = NOBODY.to_string();
        Self::start_by(&[
            "setpriv",
            "--clear-groups",
            "--reuid",
            &user,
            "--regid",
            &user,
        ])
    }

    /// The client as root with this capability alone.
    pub(crate) fn start_with_capability(capability: &str) -> Self {
        Self::start_by(&["setpriv", "--bounding-set", &format!("-all,+{capability}")])
    }

    fn start_by(prefix: &[&str]) -> Self {
        install();
        let words = [prefix, &["python3", "-c", SERVER, CLIENT, SPEC]].concat();
        let mut python = command(&words);
        let python = python.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 is there");
        let requests = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Self {
            child,
            requests,
            answers,
        }
    }

    /// The answer to a single request, which has to succeed.
    #[track_caller]
    pub(crate) fn ask(&mut self, operation: &str, attributes: &Value) -> Value {
        self.call(&json!(["do", operation, attributes]))
            .unwrap_or_else(|why| panic!("{operation} {attributes}: {why}"))
    }

    /// What the client says of a single request that the kernel has to refuse.
    #[track_caller]
    pub(crate) fn refused(&mut self, operation: &str, attributes: &Value) -> String {
        match self.call(&json!(["do", operation, attributes])) {
            Err(why) => why,
            Ok(answer) => panic!("{operation} {attributes} was answered with {answer}"),
        }
    }

    /// What the client says of a dump that the kernel has to refuse.
    #[track_caller]
    pub(crate) fn refused_dump(&mut self, operation: &str) -> String {
        match self.call(&json!(["dump", operation, {}])) {
            Err(why) => why,
            Ok(answer) => panic!("the dump {operation} was answered with {answer}"),
        }
    }

    /// What is heard of a request that is sent while so many messages wait in a receive buffer with little room: `reply`,
    /// whether there was one, and `error`, that of the acknowledgement if there was one.
    #[track_caller]
    pub(crate) fn ask_in_little_room(
        &mut self,
        operation: &str,
        attributes: &Value,
        waiting: usize,
    ) -> Value {
        self.call(&json!([
            "ask_in_little_room",
            operation,
            attributes,
            waiting
        ]))
        .unwrap_or_else(|why| panic!("{operation} {attributes}: {why}"))
    }

    /// Joins a group and reads nothing of it, so that sending to it fails; the client is of no other use then.
    #[track_caller]
    pub(crate) fn hear_nothing_of(&mut self, group: &str) {
        let joined = self.call(&json!(["hear_nothing_of", group]));
        joined.unwrap_or_else(|why| panic!("{group}: {why}"));
    }

    /// The policy that the kernel has for an operation; `kind` is do or dump.
    #[track_caller]
    pub(crate) fn policy(&mut self, operation: &str, kind: &str) -> Value {
        self.call(&json!(["get_policy", operation, kind]))
            .unwrap_or_else(|why| panic!("policy of {operation}: {why}"))
    }

    #[track_caller]
    fn call(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.requests, "{request}").expect("the client reads");
        let line = self
            .answers
            .next()
            .expect("the client answers")
            .expect("the client answers text");
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|why| panic!("{why} in {line:?}"));
        match &answer["refused"] {
            Value::String(why) => Err(why.clone()),
            _ => Ok(answer["answer"].take()),
        }
    }
}

impl Drop for Ynl {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
