#!/usr/bin/python3
"""Plays streams and files in GStreamer's playbin3 without a screen: gstreamer.py URI...

Prints a line of JSON for each. Times are running times in seconds, by which sinks
synchronise picture and sound. A picture is white where its middle is; a beep
begins after a silence of 0.3 s."""
import array
import json
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstPbutils", "1.0")
from gi.repository import GLib, Gst, GstApp, GstPbutils  # noqa: E402,F401

Gst.init(None)
RATE = 48000
LIMIT = 90  # seconds, against hanging: 8 s are played in two or three


class Play:
    def __init__(self, uri):
        self.out = {"frames": 0, "flashes": [], "beeps": [], "samples": 0, "colour": None, "error": ""}
        self.lit, self.loud = False, -1.0
        self.loop = GLib.MainLoop()
        self.play = Gst.ElementFactory.make("playbin3")
        self.play.set_property("uri", uri)
        self.play.set_property("flags", 3)  # video and audio
        picture = "videoconvert ! videoscale ! video/x-raw,format=RGB,width=32,height=32"
        sound = f"audioconvert ! audioresample ! audio/x-raw,format=S16LE,channels=1,rate={RATE}"
        self.play.set_property("video-sink", self.sink(picture, self.picture))
        self.play.set_property("audio-sink", self.sink(sound, self.sound))

    def sink(self, caps, take):
        b = Gst.parse_bin_from_description(caps + " ! appsink name=s sync=false emit-signals=true max-buffers=8", True)

        def pull(appsink):
            sample = appsink.emit("pull-sample")
            buffer = sample.get_buffer()
            at = sample.get_segment().to_running_time(Gst.Format.TIME, buffer.pts) / Gst.SECOND
            _, m = buffer.map(Gst.MapFlags.READ)
            data = bytes(m.data)
            buffer.unmap(m)
            take(at, data)
            return Gst.FlowReturn.OK

        b.get_by_name("s").connect("new-sample", pull)
        return b

    def picture(self, at, data):
        middle = 3 * (16 * 32 + 16)
        lit = data[middle + 1] > 128
        if lit and not self.lit:
            self.out["flashes"].append(at)
        self.lit = lit
        self.out["frames"] += 1
        self.out["colour"] = list(data[middle : middle + 3])

    def sound(self, at, data):
        samples = array.array("h", data)
        self.out["samples"] += len(samples)
        for i, v in enumerate(samples):
            if abs(v) > 6000:
                t = at + i / RATE
                if t - self.loud > 0.3:
                    self.out["beeps"].append(t)
                self.loud = t

    def message(self, _, m):
        if m.type == Gst.MessageType.ERROR:
            e, debug = m.parse_error()
            self.out["error"] = f"{e.message}: {debug}"
        if m.type in (Gst.MessageType.ERROR, Gst.MessageType.EOS):
            self.loop.quit()

    def late(self):
        self.out["error"] = "it did not end"
        self.loop.quit()

    def run(self):
        bus = self.play.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.message)
        timer = GLib.timeout_add_seconds(LIMIT, self.late)
        self.play.set_state(Gst.State.PLAYING)
        self.loop.run()
        GLib.source_remove(timer)
        ok, d = self.play.query_duration(Gst.Format.TIME)
        if self.play.get_property("uri").startswith("file:"):
            # What a player shows when it begins, not what it knows at the end.
            d = GstPbutils.Discoverer.new(10 * Gst.SECOND).discover_uri(self.play.get_property("uri")).get_duration()
        self.out["duration"] = d / Gst.SECOND if ok else -1
        self.play.set_state(Gst.State.NULL)
        bus.remove_signal_watch()
        return self.out


for address in sys.argv[1:]:
    print(json.dumps(Play(address).run()), flush=True)
