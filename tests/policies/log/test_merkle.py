"""The tree against published vectors, its own slow definition, and its proofs."""

from __future__ import annotations

import pytest

from ambergate_policies.log.entry import leaf_hash
from ambergate_policies.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    root,
)

# The reference inputs and roots of Certificate Transparency's own implementation (merkle_tree_test.cc).
CT_INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [leaf_hash(data) for data in CT_INPUTS]


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root(LEAVES[:size]).hex() == CT_ROOTS[size - 1]


def test_the_empty_tree_has_the_root_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root([]) == Frontier().root() == EMPTY_ROOT


def test_the_frontier_agrees_with_the_definition_at_every_size() -> None:
    frontier = Frontier()
    for size, leaf in enumerate(leaves(130), start=1):
        frontier = Frontier.from_text(frontier.append(leaf).to_text())
        assert frontier.size == size
        assert frontier.root() == root(leaves(130)[:size])


def test_a_frontier_whose_nodes_do_not_fit_its_size_is_refused() -> None:
    with pytest.raises(ValueError, match="one node for each bit"):
        Frontier(3, (LEAVES[0],))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 16, 21])
def test_inclusion_is_proven_for_each_leaf_and_for_no_other(size: int) -> None:
    tree = leaves(size)
    for index, leaf in enumerate(tree):
        proof = inclusion_proof(tree, index)
        assert includes(leaf, index, size, proof, root(tree))
        assert not includes(leaf_hash(b"other"), index, size, proof, root(tree))
        assert not includes(leaf, (index + 1) % (size + 1), size, proof, root(tree))
        assert not includes(leaf, index, size, [*proof, leaf], root(tree))
        if proof:
            assert not includes(leaf, index, size, proof[:-1], root(tree))


@pytest.mark.parametrize("new", [1, 2, 3, 6, 7, 8, 13, 16])
def test_consistency_is_proven_for_prefixes_and_for_nothing_else(new: int) -> None:
    tree = leaves(new)
    for old in range(1, new + 1):
        proof = consistency_proof(tree, old)
        assert extends(old, root(tree[:old]), new, root(tree), proof)
        assert not extends(old, leaf_hash(b"rewritten"), new, root(tree), proof)
        assert not extends(old, root(tree[:old]), new, leaf_hash(b"rewritten"), proof)
        if proof:
            assert not extends(old, root(tree[:old]), new, root(tree), proof[:-1])


def test_the_consistency_proof_of_rfc_6962_section_2_1_3_has_its_lengths() -> None:
    tree = leaves(7)
    assert [len(consistency_proof(tree, old)) for old in (3, 4, 6)] == [4, 1, 3]
    assert [len(inclusion_proof(tree, index)) for index in (0, 3, 4, 6)] == [3, 3, 3, 2]
