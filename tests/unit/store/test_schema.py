import pytest

from bluebatch.store import schema


def test_chunk_shape__profile_is_256_samples_of_one_type() -> None:
    spec = schema.PROFILE.array("profile")
    assert spec.chunk_shape((1000, 6, 3000)) == (256, 1, 3000)


def test_chunk_shape__is_at_least_one_and_no_larger_than_the_array() -> None:
    assert schema.COHORT.array("expression").chunk_shape((0, 0)) == (1, 1)
    assert schema.COHORT.array("expression").chunk_shape((12, 900)) == (12, 900)


def test_array__unknown_name_is_refused() -> None:
    assert schema.COHORT.array("library_size").dtype == "float64"
    with pytest.raises(KeyError):
        schema.COHORT.array("profile")


@pytest.mark.parametrize("spec", schema.SPECS.values(), ids=lambda spec: spec.kind)
def test_specs__each_array_is_declared_once_with_a_meaning(spec: schema.StoreSpec) -> None:
    names = [array.name for array in spec.arrays]
    assert len(names) == len(set(names))
    for array in spec.arrays:
        assert array.meaning
        assert len(array.chunks) == len(array.dims)
        # Arrays with one row a sample grow with it in blocks of 256.
        assert (array.dims[0] == spec.row) == (array.chunks[0] == schema.ROWS_PER_CHUNK)
