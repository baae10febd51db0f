"""Random numbers by seed and name."""

from hndesc.runtime.seeds import generator, stable_hash


def test_stable_hash_is_the_same_in_every_process() -> None:
    assert stable_hash("photo.jpg") == 0xAFF6100BD4DF0EA6
    assert stable_hash("a") != stable_hash("b")


def test_generators_depend_on_seed_and_name_alone() -> None:
    draws = {(seed, name): generator(seed, name).integers(2**60) for seed in (0, 1) for name in ("a", "b")}
    assert len(set(draws.values())) == 4
    assert generator(1, "b").integers(2**60) == draws[1, "b"]
