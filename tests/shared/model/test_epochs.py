"""The epochs of an item's events, as they are kept and as they go into ids."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from shared.model.epochs import NO_EPOCHS, EventEpochs
from shared.model.ids import ItemId, event_id

steps = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2)), max_size=8)


@given(steps)
def test_each_event_keeps_the_epoch_that_it_was_made_in(steps: list[tuple[int, int]]) -> None:
    revisions = accumulate(step for step, _ in steps)
    events = list(zip(revisions, accumulate(step for _, step in steps), strict=True))
    epochs = NO_EPOCHS
    for revision, epoch in events:
        epochs = epochs.with_event(revision, epoch)

    kept = EventEpochs.parse(str(epochs))

    assert kept == epochs
    assert [(revision, kept.of(revision)) for revision, _ in events] == events


def test_an_item_of_epoch_0_keeps_nothing_and_its_ids_have_their_old_form() -> None:
    assert str(NO_EPOCHS.with_event(1, 0).with_event(7, 0)) == ""
    assert event_id(ItemId("abc"), 7) == "abc-7"
    assert event_id(ItemId("abc"), 7, 2) == "abc-e2r7"
