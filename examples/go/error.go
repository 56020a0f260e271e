package refold

// #include <refold.h>
import "C"

import (
	"context"
	"time"
)

// Code classifies a failure: the HTTP status of the response, or a negative number if there was no usable response. A
// Code is itself an error, so errors.Is(err, refold.ErrNotFound) tests for one, and errors.Is(err, refold.Code(418))
// for a status without a name.
type Code int32

// HTTP statuses with a name. Any other status except 2xx is a valid Code, too.
const (
	ErrBadRequest          Code = C.REFOLD_ERROR_BAD_REQUEST           // 400
	ErrUnauthorized        Code = C.REFOLD_ERROR_UNAUTHORIZED          // 401: the credentials were rejected
	ErrForbidden           Code = C.REFOLD_ERROR_FORBIDDEN             // 403: the credentials do not grant access
	ErrNotFound            Code = C.REFOLD_ERROR_NOT_FOUND             // 404: no such execution for these credentials
	ErrRequestTimeout      Code = C.REFOLD_ERROR_REQUEST_TIMEOUT       // 408: not to be confused with ErrTimeout
	ErrConflict            Code = C.REFOLD_ERROR_CONFLICT              // 409
	ErrUnprocessableEntity Code = C.REFOLD_ERROR_UNPROCESSABLE_ENTITY  // 422
	ErrTooManyRequests     Code = C.REFOLD_ERROR_TOO_MANY_REQUESTS     // 429: see Error.RetryAfter
	ErrInternalServerError Code = C.REFOLD_ERROR_INTERNAL_SERVER_ERROR // 500
	ErrNotImplemented      Code = C.REFOLD_ERROR_NOT_IMPLEMENTED       // 501
	ErrBadGateway          Code = C.REFOLD_ERROR_BAD_GATEWAY           // 502
	ErrServiceUnavailable  Code = C.REFOLD_ERROR_SERVICE_UNAVAILABLE   // 503
	ErrGatewayTimeout      Code = C.REFOLD_ERROR_GATEWAY_TIMEOUT       // 504
)

// Negative codes: there was no usable response. Later versions may add more.
const (
	ErrInvalidArgument  Code = C.REFOLD_ERROR_INVALID_ARGUMENT   // an argument or option is invalid; nothing was sent
	ErrTimeout          Code = C.REFOLD_ERROR_TIMEOUT            // the timeout of the call expired
	ErrResolve          Code = C.REFOLD_ERROR_RESOLVE            // the host name could not be resolved
	ErrConnect          Code = C.REFOLD_ERROR_CONNECT            // no connection, or the proxy refused
	ErrTLS              Code = C.REFOLD_ERROR_TLS                // the handshake failed, or the certificate is not trusted
	ErrTransport        Code = C.REFOLD_ERROR_TRANSPORT          // the connection broke, or the response is not HTTP
	ErrInvalidResponse  Code = C.REFOLD_ERROR_INVALID_RESPONSE   // the response is not an execution
	ErrResponseTooLarge Code = C.REFOLD_ERROR_RESPONSE_TOO_LARGE // the response exceeds a limit; see WithMaxResponseBytes
	ErrInternal         Code = C.REFOLD_ERROR_INTERNAL           // a defect of the library
	ErrResource         Code = C.REFOLD_ERROR_RESOURCE           // out of memory, descriptors or threads

	// Not exported: a call that its context ended returns ctx.Err() instead.
	errCancelled Code = C.REFOLD_ERROR_CANCELLED
)

// String returns the name of the code, such as "NOT_FOUND"; "HTTP_ERROR" for a status without a name.
func (code Code) String() string {
	return C.GoString(C.refold_code_name(C.refold_code(code)))
}

// Error implements the error interface.
func (code Code) Error() string {
	return "refold: " + code.String()
}

// Error describes why a call failed. Strings that the response does not have are empty.
type Error struct {
	// Code classifies the failure.
	Code Code
	// HTTPStatus is the field status_code of the response, or else its HTTP status; 0 without a response.
	HTTPStatus int
	// HTTPErrorType is the field http_error_type of the response, such as "NOT_FOUND".
	HTTPErrorType string
	// APICode is the field error_code of the response, or else its field error, such as "RESOURCE_NOT_FOUND".
	APICode string
	// Message is one sentence for humans. It contains no secrets.
	Message string
	// RequestID identifies the request to the vendor's support.
	RequestID string
	// Body is the decompressed body of the response with secrets redacted, limited to its first 64 KiB; nil without a
	// body.
	Body []byte
	// RetryAfter is how long the server asks to wait before the next attempt; negative if it does not ask.
	RetryAfter time.Duration
	// Retryable reports whether the same call may succeed later.
	Retryable bool
	// Attempts is the number of attempts that the call started; for a wait, those of all polls.
	Attempts int
	// Timings is how long the call took. The part in which it ended counts up to that moment.
	Timings Timings
	// Cause is the failure of the last poll if the deadline of the context ended a wait; nil for any other error.
	Cause *Error

	endedByContext bool
}

// Error implements the error interface. It returns the message and the request id.
func (e *Error) Error() string {
	if e.RequestID == "" {
		return "refold: " + e.Message
	}
	return "refold: " + e.Message + " (request id " + e.RequestID + ")"
}

// Is reports whether target is the Code of the error, for errors.Is. An error that is due to the deadline of a context
// is also context.DeadlineExceeded.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code || e.endedByContext && target == context.DeadlineExceeded
}

// Unwrap returns the Cause, for errors.Unwrap, errors.Is and errors.As.
func (e *Error) Unwrap() error {
	if e.Cause == nil {
		return nil
	}
	return e.Cause
}

// Timeout reports whether the timeout of the call expired. It follows net.Error.
func (e *Error) Timeout() bool {
	return e.Code == ErrTimeout
}

func invalidArgument(message string) *Error {
	return newError(ErrInvalidArgument, message)
}

func newError(code Code, message string) *Error {
	return &Error{Code: code, Message: message, RetryAfter: -1, Timings: noTimings}
}

// takeError copies a C error and frees it.
func takeError(failure *C.refold_error) *Error {
	defer C.refold_error_free(failure)
	return readError(failure)
}

// readError copies a C error and its cause.
func readError(failure *C.refold_error) *Error {
	if failure == nil {
		return newError(ErrInternal, "the library failed without reporting an error")
	}
	err := copyError(failure)
	if cause := C.refold_error_cause(failure); cause != nil {
		err.Cause = copyError(cause)
	}
	return err
}

func copyError(failure *C.refold_error) *Error {
	var length C.size_t
	body := C.refold_error_body(failure, &length)
	return &Error{
		Code:          Code(C.refold_error_code(failure)),
		HTTPStatus:    int(C.refold_error_http_status(failure)),
		HTTPErrorType: C.GoString(C.refold_error_http_error_type(failure)),
		APICode:       C.GoString(C.refold_error_api_code(failure)),
		Message:       C.GoString(C.refold_error_message(failure)),
		RequestID:     C.GoString(C.refold_error_request_id(failure)),
		Body:          copyBytes(body, length),
		RetryAfter:    duration(C.refold_error_retry_after_ms(failure), time.Millisecond),
		Retryable:     bool(C.refold_error_is_retryable(failure)),
		Attempts:      int(C.refold_error_attempts(failure)),
		Timings: newTimings(func(timing C.refold_timing) C.int64_t {
			return C.refold_error_timing_us(failure, timing)
		}),
	}
}
