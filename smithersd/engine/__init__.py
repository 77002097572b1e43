"""Drive one run: the loop between the pure flow, the store and the executors."""

from smithersd.engine.clock import Clock, JumpingClock, SystemClock
from smithersd.engine.drivers import Driver, local_driver
from smithersd.engine.engine import Engine
from smithersd.engine.loading.source import WorkflowSource, load_workflow
from smithersd.engine.loading.workflow_file import find_workflow_file
from smithersd.engine.run import RunResult, drive_to_end, result_of, run_workflow
from smithersd.engine.run_ids import check_run_id, new_run_id
from smithersd.engine.run_info import driver_name, is_driven, run_info
from smithersd.engine.run_options import RunOptions, StartMode
from smithersd.engine.signals import send_signal
from smithersd.engine.standby import Standby
from smithersd.engine.start import UNSET, fitting_input, start_run
from smithersd.engine.takeover import request_cancel, suspend_without_driver, wait_until_applied

__all__ = [
    "UNSET",
    "Clock",
    "Driver",
    "Engine",
    "JumpingClock",
    "RunOptions",
    "RunResult",
    "Standby",
    "StartMode",
    "SystemClock",
    "WorkflowSource",
    "check_run_id",
    "drive_to_end",
    "driver_name",
    "find_workflow_file",
    "fitting_input",
    "is_driven",
    "load_workflow",
    "local_driver",
    "new_run_id",
    "request_cancel",
    "result_of",
    "run_info",
    "run_workflow",
    "send_signal",
    "start_run",
    "suspend_without_driver",
    "wait_until_applied",
]
