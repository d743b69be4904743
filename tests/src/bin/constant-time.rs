//! Evidence that committing and proving take a time that does not depend on secrets.
//!
//! `constant-time memcheck WHAT`, under valgrind: the secrets and the randomness are marked undefined,
//! so that every branch and every address that depends on them is reported (the idea of ctgrind).
//! `constant-time dudect`: times of a fixed and of random secrets, compared by Welch's t-test (the
//! method of dudect, Reparaz, Balasch and Verbauwhede 2017).
//! Both also run something that does leak, which must be found.

use std::{env, hint::black_box, process::ExitCode, time::Instant};

use twofapi_crypto_core::{
    Authentication, AuthenticationBinding, ClientId, Credential, Nonce, commit,
    curve25519_dalek::{Scalar, traits::VartimeMultiscalarMul},
    generators, prove,
};

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["memcheck", "commit"] => memcheck::commit(),
        ["memcheck", "prove"] => memcheck::prove(),
        ["memcheck", "leak"] => memcheck::leak(),
        ["dudect"] => return dudect(),
        _ => {
            eprintln!("usage: constant-time memcheck commit|prove|leak, or constant-time dudect");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// A statement to prove; all of it is public.
struct Public {
    client_id: ClientId,
    nonce: Nonce,
    binding: AuthenticationBinding,
}

impl Public {
    fn new() -> Self {
        Self {
            client_id: "alice".parse().expect("well-formed"),
            nonce: Nonce::from_bytes(&[3; 16]).expect("16 bytes"),
            binding: AuthenticationBinding::none(),
        }
    }

    fn statement(&self) -> Authentication<'_> {
        Authentication {
            client_id: &self.client_id,
            nonce: &self.nonce,
            binding: &self.binding,
        }
    }
}

/// Variable in time, as no function of ours may be for a secret.
fn leaky_commit(secret: &Scalar, blinding: &Scalar) {
    let (g, h) = generators();
    let point = twofapi_crypto_core::curve25519_dalek::RistrettoPoint::vartime_multiscalar_mul(
        [secret, blinding],
        [g, h],
    );
    black_box(point.compress());
}

mod memcheck {
    use std::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use super::{Credential, Public, Scalar, black_box, leaky_commit};

    /// A random source whose bytes valgrind takes for undefined.
    struct Undefined(u8);

    impl TryRng for Undefined {
        type Error = Infallible;
        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            let mut bytes = [0; 4];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u32::from_le_bytes(bytes))
        }
        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            let mut bytes = [0; 8];
            self.try_fill_bytes(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        }
        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            for byte in bytes.iter_mut() {
                self.0 = self.0.wrapping_mul(61).wrapping_add(89);
                *byte = self.0;
            }
            valgrind::make_undefined(bytes);
            Ok(())
        }
    }

    impl TryCryptoRng for Undefined {}

    pub(super) fn commit() {
        valgrind::must_be_running();
        let credential = Credential::generate(&mut Undefined(1)).expect("no failure");
        black_box(credential.commitment().as_bytes());
        let (secret, blinding) = (scalar(7), scalar(9));
        black_box(super::commit(&secret, &blinding).compress());
    }

    pub(super) fn prove() {
        valgrind::must_be_running();
        let credential = Credential::generate(&mut Undefined(1)).expect("no failure");
        let public = Public::new();
        let proof = super::prove(&credential, &public.statement(), &mut Undefined(2));
        black_box(proof.expect("no failure").to_bytes());
    }

    pub(super) fn leak() {
        valgrind::must_be_running();
        leaky_commit(&scalar(7), &scalar(9));
    }

    fn scalar(byte: u8) -> Scalar {
        let mut bytes = [byte; 32];
        valgrind::make_undefined(&bytes);
        bytes[31] &= 0x0f;
        Scalar::from_bytes_mod_order(bytes)
    }

    mod valgrind {
        //! Client requests (valgrind's manual, section 3.1): an instruction sequence that does nothing
        //! on a processor and that valgrind recognizes.

        const RUNNING_ON_VALGRIND: usize = 0x1001;
        const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;

        pub(super) fn must_be_running() {
            assert!(
                request([RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0]) > 0,
                "run this under valgrind"
            );
        }

        pub(super) fn make_undefined(bytes: &[u8]) {
            let address = bytes.as_ptr() as usize;
            request([MAKE_MEM_UNDEFINED, address, bytes.len(), 0, 0, 0]);
        }

        #[cfg(target_arch = "x86_64")]
        fn request(arguments: [usize; 6]) -> usize {
            let mut result = 0;
            // SAFETY: on a processor the sequence rotates rdi by 128 bits in all and swaps rbx with
            // itself, so that nothing changes; valgrind reads the six arguments behind rax, which live
            // through the call, and sets rdx.
            unsafe {
                std::arch::asm!(
                    "rol rdi, 3",
                    "rol rdi, 13",
                    "rol rdi, 61",
                    "rol rdi, 51",
                    "xchg rbx, rbx",
                    in("rax") arguments.as_ptr(),
                    inout("rdx") result,
                    options(nostack)
                );
            }
            result
        }

        #[cfg(not(target_arch = "x86_64"))]
        fn request(_: [usize; 6]) -> usize {
            0
        }
    }
}

const SAMPLES: usize = 20_000;
/// Beyond this, dudect calls the difference certain.
const CERTAIN: f64 = 10.0;

fn dudect() -> ExitCode {
    let public = Public::new();
    let by = |work: &dyn Fn(&Credential)| t_value(&|credential| work(credential));
    let commits = by(&|credential| {
        let [secret, blinding] = scalars(credential);
        black_box(commit(&secret, &blinding));
    });
    let proves = by(&|credential| {
        let proof = prove(credential, &public.statement(), &mut getrandom::SysRng);
        black_box(proof.expect("randomness"));
    });
    let leaks = by(&|credential| {
        let [secret, blinding] = scalars(credential);
        leaky_commit(&secret, &blinding);
    });
    println!("{SAMPLES} timings of a fixed secret against as many of random ones, Welch's |t|:");
    for (name, t) in [
        ("commit", commits),
        ("prove", proves),
        ("a leaky commit", leaks),
    ] {
        let verdict = if t.abs() > CERTAIN {
            "depends on the secret"
        } else {
            "no dependence seen"
        };
        println!("{name:16} {:8.2}  {verdict}", t.abs());
    }
    ExitCode::from(u8::from(leaks.abs() <= CERTAIN))
}

fn scalars(credential: &Credential) -> [Scalar; 2] {
    [credential.secret_bytes(), credential.blinding_bytes()]
        .map(|bytes| Scalar::from_bytes_mod_order(*bytes))
}

/// Welch's t between the times of a fixed credential, whose scalars are small, and of random ones. All
/// are made before, and the two classes are mixed, so that nothing else differs.
fn t_value(work: &dyn Fn(&Credential)) -> f64 {
    let small = |byte: u8| {
        let mut bytes = [0; 32];
        bytes[0] = byte;
        bytes
    };
    let random = || Credential::generate(&mut getrandom::SysRng).expect("randomness");
    let fixed = || Credential::from_bytes(&small(1), &small(2)).expect("canonical");
    let mut choice = vec![0; 2 * SAMPLES];
    getrandom::fill(&mut choice).expect("randomness");
    let inputs: Vec<(bool, Credential)> = choice
        .iter()
        .map(|byte| {
            (
                byte & 1 == 0,
                if byte & 1 == 0 { fixed() } else { random() },
            )
        })
        .collect();
    let mut times: [Vec<f64>; 2] = Default::default();
    for (is_fixed, credential) in &inputs {
        let start = Instant::now();
        work(credential);
        times[usize::from(*is_fixed)].push(start.elapsed().as_nanos() as f64);
    }
    // Interruptions make a long tail that says nothing about secrets: leave the slowest tenth out.
    let [a, b] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.truncate(times.len() * 9 / 10);
        let n = times.len() as f64;
        let mean = times.iter().sum::<f64>() / n;
        let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    });
    (a.0 - b.0) / (a.1 + b.1).sqrt()
}
