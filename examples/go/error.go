package refold

// #include <refold.h>
import "C"

import "time"

// Code is what kind of failure it is: the HTTP status of the server's answer, or a negative number where there was no
// usable answer. It is an error itself, so that errors.Is(err, refold.ErrNotFound) tells it, and for a status without
// a name errors.Is(err, refold.Code(418)).
type Code int32

// The codes that have a name. Those from ErrInvalidArgument on mean that there was no usable answer.
const (
	ErrBadRequest          Code = C.REFOLD_ERROR_BAD_REQUEST
	ErrUnauthorized        Code = C.REFOLD_ERROR_UNAUTHORIZED
	ErrForbidden           Code = C.REFOLD_ERROR_FORBIDDEN
	ErrNotFound            Code = C.REFOLD_ERROR_NOT_FOUND
	ErrRequestTimeout      Code = C.REFOLD_ERROR_REQUEST_TIMEOUT
	ErrConflict            Code = C.REFOLD_ERROR_CONFLICT
	ErrUnprocessableEntity Code = C.REFOLD_ERROR_UNPROCESSABLE_ENTITY
	ErrTooManyRequests     Code = C.REFOLD_ERROR_TOO_MANY_REQUESTS
	ErrInternalServerError Code = C.REFOLD_ERROR_INTERNAL_SERVER_ERROR
	ErrNotImplemented      Code = C.REFOLD_ERROR_NOT_IMPLEMENTED
	ErrBadGateway          Code = C.REFOLD_ERROR_BAD_GATEWAY
	ErrServiceUnavailable  Code = C.REFOLD_ERROR_SERVICE_UNAVAILABLE
	ErrGatewayTimeout      Code = C.REFOLD_ERROR_GATEWAY_TIMEOUT

	ErrInvalidArgument  Code = C.REFOLD_ERROR_INVALID_ARGUMENT
	ErrTimeout          Code = C.REFOLD_ERROR_TIMEOUT
	ErrResolve          Code = C.REFOLD_ERROR_RESOLVE
	ErrConnect          Code = C.REFOLD_ERROR_CONNECT
	ErrTLS              Code = C.REFOLD_ERROR_TLS
	ErrTransport        Code = C.REFOLD_ERROR_TRANSPORT
	ErrInvalidResponse  Code = C.REFOLD_ERROR_INVALID_RESPONSE
	ErrResponseTooLarge Code = C.REFOLD_ERROR_RESPONSE_TOO_LARGE
	ErrInternal         Code = C.REFOLD_ERROR_INTERNAL
	ErrResource         Code = C.REFOLD_ERROR_RESOURCE

	// What a call ends with when its context does; the caller is told ctx.Err() instead.
	errCancelled Code = C.REFOLD_ERROR_CANCELLED
)

// String is the name of the code for people and logs, such as "NOT_FOUND".
func (code Code) String() string {
	return C.GoString(C.refold_code_name(C.refold_code(code)))
}

func (code Code) Error() string {
	return "refold: " + code.String()
}

// Error is why a call failed. Strings that the server did not send are empty.
type Error struct {
	// Code is what kind of failure it is.
	Code Code
	// HTTPStatus is what the answer tells in its field status_code, else its own status; 0 without an answer.
	HTTPStatus int
	// HTTPErrorType is the answer's field http_error_type, such as "NOT_FOUND".
	HTTPErrorType string
	// APICode is the answer's field error_code, such as "RESOURCE_NOT_FOUND"; without one, its field error.
	APICode string
	// Message is one sentence for people, with no secret in it.
	Message string
	// RequestID is what the vendor's support asks for.
	RequestID string
	// Body is the answer as it came, its first 64 KiB at most; nil when there is none.
	Body []byte
	// RetryAfter is how long the server asks to wait before the next try; negative when it named no time.
	RetryAfter time.Duration
	// Retryable tells whether the same call may succeed later without a change.
	Retryable bool
	// Attempts is how many tries the call began.
	Attempts int
}

func (e *Error) Error() string {
	if e.RequestID == "" {
		return "refold: " + e.Message
	}
	return "refold: " + e.Message + " (request id " + e.RequestID + ")"
}

// Is makes errors.Is(err, refold.ErrNotFound) work.
func (e *Error) Is(target error) bool {
	code, is := target.(Code)
	return is && code == e.Code
}

// Timeout tells whether the time-out of the call itself passed, as the errors of package net do.
func (e *Error) Timeout() bool {
	return e.Code == ErrTimeout
}

func invalidArgument(message string) *Error {
	return &Error{Code: ErrInvalidArgument, Message: message, RetryAfter: -1}
}

// takeError copies an error of C and frees it.
func takeError(failure *C.refold_error) *Error {
	defer C.refold_error_free(failure)
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
		RetryAfter:    duration(C.refold_error_retry_after_ms(failure)),
		Retryable:     bool(C.refold_error_is_retryable(failure)),
		Attempts:      int(C.refold_error_attempts(failure)),
	}
}
