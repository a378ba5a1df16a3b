import numpy as np

from driving import AgentKind, LightStatus
from driving.synthetic.motion import SmoothPath, SpeedProfile
from driving.synthetic.proving_ground import proving_ground
from driving.synthetic.scene_script import SceneScript, track_id
from driving.synthetic.scripted_track import SIZES_M, ScriptedTrack, standing_track

EAST = SmoothPath(np.array([[0.0, 0.0], [100.0, 0.0]]))


def script(*agents, lights=None):
    site = proving_ground().sites["road"]
    return SceneScript(
        name="test",
        number=0,
        scenario_type="unknown",
        map=proving_ground().map,
        origin=(1000.0, 2000.0),
        ego=ScriptedTrack(path=EAST, start_m=10.0, speed=SpeedProfile(start_mps=5.0)),
        agents=agents,
        roadblock_ids=site.roadblocks("east_0"),
        lights=lights or {},
    )


def test_the_recording_has_27_s_at_10_hz_and_tags_3_s_into_the_scenario():
    recording = script().record()
    assert len(recording.time_us) == 271
    assert set(np.diff(recording.time_us)) == {100_000}
    assert recording.tags[0].frame == 60
    np.testing.assert_allclose(recording.ego.rear_axle_poses[0, 30], [1010.0, 2000.0, 0.0])
    assert recording.agents.num_agents == 0


def test_agents_are_nan_outside_the_interval_in_which_they_are_seen():
    walker = ScriptedTrack(
        path=EAST,
        start_m=0.0,
        speed=SpeedProfile(start_mps=1.0),
        kind=AgentKind.PEDESTRIAN,
        seen_s=(0.1, 0.2),
    )
    tracks = script(walker).agent_tracks(np.array([0.0, 0.1, 0.2, 0.3]))
    assert tracks.valid.tolist() == [[False, True, True, False]]
    np.testing.assert_allclose(tracks.poses[0, 1], [1000.1, 2000.0, 0.0])
    np.testing.assert_allclose(tracks.sizes[0, 1], SIZES_M[AgentKind.PEDESTRIAN])
    assert np.isnan(tracks.velocities_mps[0, [0, 3]]).all()
    assert tracks.track_ids == (track_id(1),) == ("0000000000000001",)


def test_a_standing_track_keeps_its_pose_and_size():
    tracks = script(standing_track(3.0, 4.0, np.pi / 2, size_m=(2.0, 1.0))).agent_tracks(np.array([0.0, 9.0]))
    np.testing.assert_allclose(tracks.poses[0], np.tile([1003.0, 2004.0, np.pi / 2], (2, 1)))
    np.testing.assert_allclose(tracks.sizes[0], np.tile([2.0, 1.0], (2, 1)))
    assert (tracks.velocities_mps == 0).all()


def test_light_phases_start_at_their_time():
    connector = proving_ground().sites["crossroads"].connectors("west_to_east")[0]
    phases = [(-np.inf, LightStatus.RED), (0.2, LightStatus.GREEN)]
    lights = script(lights={connector: phases}).traffic_lights(np.array([0.1, 0.2, 0.3]))
    green = [lights.ids_showing(step, LightStatus.GREEN) for step in range(3)]
    assert green == [frozenset(), frozenset({connector}), frozenset({connector})]


def test_the_number_of_a_script_is_part_of_its_log_name():
    assert script().record().log_name == "2021.06.01.12.00.00_veh-00_00000_00027"
