//! The forgery that addresses invite, scaled down: why the verifier of Sigma proofs compares every point
//! twice, at the point and at its negative.

use std::collections::HashMap;

use k256::{ProjectivePoint, Scalar};
use sha2::{Digest, Sha256};
use twofapi_chain::{
    address_of,
    sigma::{Credential, GENERATOR_H},
    vrf::Point,
};

/// A verifier whose addresses have so many bits, and which compares points so many times.
struct Scaled {
    bits: u32,
    comparisons: u32,
}

impl Scaled {
    /// What this verifier sees of a point.
    fn seen(&self, point: &ProjectivePoint) -> (u64, u64) {
        let short = |point: ProjectivePoint| {
            let point = Point::from_projective(&point).expect("not infinity");
            let address = address_of(&point);
            let low = u64::from_be_bytes(address[12..].try_into().expect("8 bytes"));
            low & ((1 << self.bits) - 1)
        };
        (
            short(*point),
            if self.comparisons == 2 {
                short(-*point)
            } else {
                0
            },
        )
    }

    fn accepts(&self, key: &Point, digest: &[u8; 32], forged: &Forged) -> bool {
        let c = challenge(key, &forged.a, digest);
        let w = forged.a + forged.b;
        let left = ProjectivePoint::GENERATOR * forged.z_s + GENERATOR_H.projective() * forged.z_r;
        self.seen(&(key.projective() * c)) == self.seen(&forged.b)
            && self.seen(&left) == self.seen(&w)
    }
}

struct Forged {
    a: ProjectivePoint,
    b: ProjectivePoint,
    z_s: Scalar,
    z_r: Scalar,
}

fn challenge(key: &Point, a: &ProjectivePoint, digest: &[u8; 32]) -> Scalar {
    use k256::elliptic_curve::ops::Reduce;
    let hash = Sha256::new_with_prefix(b"2FApi-v1.0-Sigma-secp256k1")
        .chain_update(GENERATOR_H.as_bytes())
        .chain_update(key.as_bytes())
        .chain_update(Point::from_projective(a).expect("not infinity").as_bytes())
        .chain_update(digest)
        .finalize();
    <Scalar as Reduce<k256::FieldBytes>>::reduce(&hash)
}

/// Knows no opening of the key. Two lists: announcements of known openings, by what the verifier sees of c·C;
/// and points of known openings, one of which it sees as the same.
fn forge(verifier: &Scaled, key: &Point, digest: &[u8; 32], steps: u64) -> Option<(Forged, u64)> {
    let h = GENERATOR_H.projective();
    let mut announcements = HashMap::new();
    let mut points = HashMap::new();
    let mut a = ProjectivePoint::GENERATOR + h;
    let mut b = ProjectivePoint::GENERATOR + h + h;
    for step in 1..=steps {
        let target = key.projective() * challenge(key, &a, digest);
        announcements.insert(verifier.seen(&target), (a, step));
        points.insert(verifier.seen(&b), (b, step));
        let met = points
            .get(&verifier.seen(&target))
            .map(|&(b, of_b)| (a, step, b, of_b))
            .or_else(|| {
                announcements
                    .get(&verifier.seen(&b))
                    .map(|&(a, of_a)| (a, of_a, b, step))
            });
        if let Some((a, of_a, b, of_b)) = met {
            let forged = Forged {
                a,
                b,
                z_s: Scalar::from(of_a) + Scalar::from(of_b),
                z_r: Scalar::from(3_u64),
            };
            return Some((forged, step));
        }
        a += ProjectivePoint::GENERATOR;
        b += ProjectivePoint::GENERATOR;
    }
    None
}

#[test]
fn one_comparison_of_addresses_is_forged_after_the_root_of_their_number() {
    let victim = Credential::from_bytes(&[0x51; 32], &[0x52; 32]).expect("a credential");
    let (key, digest) = (victim.commitment(), [7; 32]);
    let once = Scaled {
        bits: 24,
        comparisons: 1,
    };
    let (forged, steps) = forge(&once, key, &digest, 1 << 14).expect("a forgery");
    assert!(once.accepts(key, &digest, &forged));
    // 2^12 is what two lists of 24 bits take; not even 2^24.
    assert!(steps < 1 << 14, "{steps}");

    let twice = Scaled {
        bits: 24,
        comparisons: 2,
    };
    assert!(!twice.accepts(key, &digest, &forged));
    assert!(
        forge(&twice, key, &digest, 1 << 14).is_none(),
        "as cheap with two comparisons"
    );
    // The attack itself is sound: where two comparisons are as short as one was, it finds them too.
    let short = Scaled {
        bits: 12,
        comparisons: 2,
    };
    let (forged, _) = forge(&short, key, &digest, 1 << 14).expect("a forgery");
    assert!(short.accepts(key, &digest, &forged));
}
