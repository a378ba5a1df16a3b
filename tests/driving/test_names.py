from driving.names import unknown_name


def test_the_nearest_known_name_is_suggested_and_all_are_listed():
    sentence = unknown_name("planner named", "pdm_close", {"pdm_closed": 1, "idm": 2})
    assert sentence == "No planner named 'pdm_close'. Did you mean 'pdm_closed'? Known: ['idm', 'pdm_closed']."


def test_an_empty_registry_suggests_nothing():
    assert unknown_name("planner named", "idm", []) == "No planner named 'idm'. Known: []."
