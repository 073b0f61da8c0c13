// SPDX-License-Identifier: GPL-2.0-only

//! The command module-get.

use super::{Control, policy};
use crate::{
    error::Refused,
    kernel_ext::{
        module_version::module_version,
        net::{
            attr::Policy,
            genl::{Answer, Do, Permission, Request},
        },
    },
    uapi::{cmd, module},
};

/// module-get: tells what the module is. A program asks before it may do anything else, so everybody may.
pub(super) struct Get;

impl Do for Get {
    type Context = Control;
    type Refusal = Refused;
    const COMMAND: u8 = cmd::MODULE_GET;
    const PERMISSION: Permission = Permission::Anybody;
    const POLICY: &'static [Policy] = &policy::MODULE_GET_DO;

    fn run(_control: &Control, request: &Request<'_>) -> Result<Answer, Refused> {
        let version = module_version();
        let mut reply = request.reply(8 + version.to_bytes().len())?;
        reply.writer().string(module::VERSION, version)?;
        Ok(Answer::Reply(reply))
    }
}
