//! Sign-ins on another device, over a restart: what is written down of them, and how they go on.

use std::sync::Arc;
use std::time::Duration;

use super::dpop::opened;
use super::handle::Asker;
use super::proof::Proof;
use super::sign_in::SignIn;
use super::task::Engine;
use crate::api::LoginStarted;
use crate::model::{AccountId, Boot, Now, Stamp};
use crate::provider::Provider;
use crate::store::{Command, DeviceSignIn};

impl Engine {
    /// Writes down a sign-in; it is shown to the one who asked when it is on disk.
    pub(super) fn remember(
        &mut self,
        asker: Asker,
        started: LoginStarted,
        now: Now,
        deadline: Boot,
        interval: Duration,
    ) {
        let Some(sign_in) = self.sign_ins.get(&started.request) else { return };
        let Proof::Device(code) = &sign_in.proof else { return };
        let complete = Some(started.authorization_uri.clone());
        let page = started.verification_uri.clone().unwrap_or_default();
        let device = DeviceSignIn {
            request: started.request.clone(),
            seed: sign_in.seed.clone(),
            client: sign_in.client.clone(),
            secret: sign_in.secret.clone(),
            registration: sign_in.registration.clone(),
            key: sign_in.key.as_ref().map(|key| Arc::clone(key.key())),
            code: Arc::clone(code),
            user_code: started.user_code.clone().unwrap_or_default(),
            verification_uri_complete: complete.filter(|complete| *complete != page),
            verification_uri: page,
            interval,
            began: Stamp { at: now, boot_id: self.cx.clock().boot_id().clone() },
            lifetime: deadline.since(now.boot),
        };
        self.sign_ins.show_later(asker, started);
        self.cx.write(Command::PutDevice(Box::new(device)));
    }

    /// Goes on with the sign-ins that the last run left open, but for those whose last question was `cut_off`: its
    /// code may be used, and is not shown again where that could cost another login of the client.
    pub(super) fn resume_devices(&mut self, devices: Vec<DeviceSignIn>, cut_off: &[AccountId]) {
        let now = self.cx.now();
        for device in devices {
            if cut_off.contains(&device.seed.id) && self.lifecycle.has_login_of(&device.client.key)
            {
                tracing::warn!(account = %device.seed.name, "a sign-in on another device is not asked about again");
                self.cx.write(Command::DropDevice(device.request));
                continue;
            }
            let DeviceSignIn { request, seed, client, secret, code, interval, began, .. } = device;
            let registration = device.registration;
            let key = device.key.and_then(opened);
            let began = began.on_boot_clock(self.cx.clock().boot_id(), now);
            let deadline = began.map(|began| began + device.lifetime);
            let known = self.clients.provider_of(&client.key);
            let pinned = client.discovered.as_deref().and_then(|text| Provider::parse(text).ok());
            let (Some(deadline), Some(provider)) = (deadline, pinned.map(Arc::new).or(known))
            else {
                tracing::warn!(account = %seed.name, "a sign-in on another device cannot go on");
                self.cx.write(Command::DropDevice(request));
                continue;
            };
            tracing::info!(account = %seed.name, "a sign-in on another device goes on");
            let sign_in = SignIn {
                seed,
                client,
                secret,
                registration,
                provider,
                key,
                proof: Proof::Device(code),
                watchers: Vec::new(),
                browser: None,
                listener: None,
            };
            // one that is over by now ends as it would have ended then
            self.open(request, sign_in, deadline, Some(interval));
        }
    }
}
