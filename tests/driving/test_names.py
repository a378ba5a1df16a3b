from driving.names import listed, unknown_name


def test_the_nearest_known_name_is_suggested_and_all_are_listed():
    sentence = unknown_name("planner named", "pdm_close", {"pdm_closed": 1, "idm": 2})
    assert sentence == "No planner named 'pdm_close'. Did you mean 'pdm_closed'? Known: ['idm', 'pdm_closed']."


def test_an_empty_registry_suggests_nothing():
    assert unknown_name("planner named", "idm", []) == "No planner named 'idm'. Known: []."


def test_long_lists_are_cut_after_three_items():
    assert listed([]) == ""
    assert listed(("a", "b", "c")) == "a, b, c"
    assert listed([1, 2, 3, 4, 5]) == "1, 2, 3 and 2 more"
